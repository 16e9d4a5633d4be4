/** One event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** The last `id:` seen, as the standard has it. */
  id: string;
  data: string;
}

/** Thrown when a stream says nothing, not even a heartbeat, for too long. */
export class StreamSilent extends Error {}

/**
 * Reads events until the stream ends. Heartbeat comments keep it alive and are dropped.
 * Cancelling the iteration cancels the stream.
 *
 * @param silenceMs longest pause between two pieces before {@link StreamSilent} is thrown
 */
export async function* readEvents(
  stream: ReadableStream<Uint8Array>,
  silenceMs: number,
): AsyncGenerator<ServerSentEvent> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const parser = new EventStreamParser();
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** The standard's line protocol, fed with pieces cut anywhere. An event without its blank line is not emitted. */
export class EventStreamParser {
  #rest = '';
  #data: string[] = [];
  #id = '';

  push(piece: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    this.#rest += piece;
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      if (end === -1) return events;
      const carriageReturn = this.#rest[end] === '\r';
      // A trailing \r may be the first half of \r\n.
      if (carriageReturn && end + 1 === this.#rest.length) return events;
      const line = this.#rest.slice(0, end);
      const next = carriageReturn && this.#rest[end + 1] === '\n' ? end + 2 : end + 1;
      this.#rest = this.#rest.slice(next);
      const event = this.#line(line);
      if (event) events.push(event);
    }
  }

  #line(line: string): ServerSentEvent | null {
    if (line === '') {
      if (this.#data.length === 0) return null;
      const event = { id: this.#id, data: this.#data.join('\n') };
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StreamSilent()), milliseconds);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
