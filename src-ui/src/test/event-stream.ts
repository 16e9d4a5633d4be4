import type { RunEvent } from '@/api/types';

const encoder = new TextEncoder();

/** A response body that the test writes to. */
export function openEventStream() {
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  return {
    response: new Response(stream.readable, { headers: { 'content-type': 'text/event-stream' } }),
    send: (seq: number, event: RunEvent) =>
      writer.write(encoder.encode(`id: ${seq}\ndata: ${JSON.stringify(event)}\n\n`)),
    end: () => writer.close(),
    breakOff: () => writer.abort(new TypeError('connection lost')),
  };
}

/** A body with exactly these bytes, in these pieces. */
export function streamOf(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces)
        controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
}
