import { describe, expect, it, vi } from 'vitest';

import { streamOf } from '@/test/event-stream';

import { readEvents, StreamSilent, type ServerSentEvent } from './sse';

const LONG = 60_000;

async function collect(stream: ReadableStream<Uint8Array>): Promise<ServerSentEvent[]> {
  const events = [];
  for await (const event of readEvents(stream, LONG)) events.push(event);
  return events;
}

describe('reading an event stream', () => {
  const text =
    'id: 1\ndata: {"text":"Grüße ⛵"}\n\n: ka\n\nid: 2\r\ndata: one\r\ndata: two\r\n\r\nid: 3\rdata: three\r\r\n';
  const events = [
    { id: '1', data: '{"text":"Grüße ⛵"}' },
    { id: '2', data: 'one\ntwo' },
    { id: '3', data: 'three' },
  ];
  const bytes = new TextEncoder().encode(text);

  it('gives the same events wherever the bytes are cut in two', async () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      await expect(collect(streamOf(bytes.slice(0, cut), bytes.slice(cut)))).resolves.toEqual(events);
    }
  });

  it('gives the same events when every byte comes alone', async () => {
    await expect(collect(streamOf(...Array.from(bytes, (byte) => Uint8Array.of(byte))))).resolves.toEqual(
      events,
    );
  });

  it('drops an event whose end never came', async () => {
    await expect(collect(streamOf('id: 1\ndata: whole\n\nid: 2\ndata: cut o'))).resolves.toEqual([
      { id: '1', data: 'whole' },
    ]);
  });

  it('drops comments and unknown fields', async () => {
    await expect(collect(streamOf(': ka\nretry: 5\nevent: x\ndata:no space\n\n'))).resolves.toEqual([
      { id: '', data: 'no space' },
    ]);
  });

  it('gives up on a stream that says nothing for too long', async () => {
    vi.useFakeTimers();
    const silent = new ReadableStream<Uint8Array>();
    const reading = expect(readEvents(silent, 30_000).next()).rejects.toBeInstanceOf(StreamSilent);
    await vi.advanceTimersByTimeAsync(30_000);
    await reading;
    vi.useRealTimers();
  });

  it('cancels the stream when the reader stops', async () => {
    const cancel = vi.fn();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel,
    });
    for await (const event of readEvents(stream, LONG)) {
      expect(event.data).toBe('1');
      break;
    }
    expect(cancel).toHaveBeenCalled();
  });
});
