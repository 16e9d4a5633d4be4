import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { RunEvent } from '@/api/types';
import { openEventStream } from '@/test/event-stream';
import { aMessage } from '@/test/messages';

import { RunFeed } from './run-feed';

const delta = (text: string): RunEvent => ({ type: 'delta', text });

/** Answers each request for events with the next of these. */
function serve(...responses: Response[]) {
  const fetch = vi.fn<typeof globalThis.fetch>(() => {
    const response = responses.shift();
    return response ? Promise.resolve(response) : Promise.reject(new TypeError('no more responses'));
  });
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

function lastEventId(fetch: ReturnType<typeof serve>, call: number): string | null {
  return new Headers(fetch.mock.calls[call]?.[1]?.headers).get('last-event-id');
}

describe('following a run', () => {
  beforeEach(() => {
    vi.stubGlobal('requestAnimationFrame', (callback: () => void) => setTimeout(callback, 0));
    vi.stubGlobal('cancelAnimationFrame', clearTimeout);
  });

  it('publishes the text as it arrives and the message at the end', async () => {
    const stream = openEventStream();
    serve(stream.response);
    const feed = new RunFeed('run');
    const seen = vi.fn();
    feed.subscribe(() => void seen(feed.snapshot().text));

    await stream.send(1, delta('Boats '));
    await vi.waitFor(() => expect(seen).toHaveBeenLastCalledWith('Boats '));
    await stream.send(2, delta('float'));
    await stream.send(3, { type: 'finished', message: aMessage({ content: 'Boats float' }) });
    await vi.waitFor(() => expect(feed.snapshot()).toMatchObject({ phase: 'ended', text: 'Boats float' }));
  });

  it('draws once for many events of one frame', async () => {
    const stream = openEventStream();
    serve(stream.response);
    const feed = new RunFeed('run');
    const listener = vi.fn();
    feed.subscribe(listener);

    const events = Array.from({ length: 200 }, (_, index) => stream.send(index + 1, delta('x')));
    await Promise.all(events);
    await vi.waitFor(() => expect(feed.snapshot().text).toHaveLength(200));
    expect(listener.mock.calls.length).toBeLessThan(50);
  });

  it('resumes behind the last event when the connection breaks', async () => {
    const first = openEventStream();
    const second = openEventStream();
    const fetch = serve(first.response, second.response);
    const feed = new RunFeed('run');
    feed.subscribe(() => undefined);

    await first.send(1, delta('Boats '));
    await vi.waitFor(() => expect(feed.snapshot().text).toBe('Boats '));
    await first.breakOff();
    await second.send(1, delta('Boats '));
    await second.send(2, delta('float'));
    await vi.waitFor(() => expect(feed.snapshot().text).toBe('Boats float'));
    expect(lastEventId(fetch, 0)).toBeNull();
    expect(lastEventId(fetch, 1)).toBe('1');
  });

  it('connects again when a stream ends before the answer does', async () => {
    const first = openEventStream();
    const second = openEventStream();
    serve(first.response, second.response);
    const feed = new RunFeed('run');
    feed.subscribe(() => undefined);

    await first.send(1, delta('a'));
    await first.end();
    await second.send(2, { type: 'finished', message: aMessage({ content: 'ab' }) });
    await vi.waitFor(() => expect(feed.snapshot()).toMatchObject({ phase: 'ended', text: 'ab' }));
  });

  it('stops asking for a run that the server no longer knows', async () => {
    const fetch = serve(
      Response.json({ error: { code: 'not_found', message: 'There is no such run.' } }, { status: 404 }),
    );
    const feed = new RunFeed('run');
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(feed.snapshot().phase).toBe('gone'));
    expect(fetch).toHaveBeenCalledOnce();
  });

  it('lets go of the connection when nobody watches, and keeps its place for the next', async () => {
    const first = openEventStream();
    const second = openEventStream();
    const fetch = serve(first.response, second.response);
    const feed = new RunFeed('run');
    const leave = feed.subscribe(() => undefined);
    await first.send(1, delta('kept'));
    await vi.waitFor(() => expect(feed.snapshot().text).toBe('kept'));

    leave();
    expect(fetch.mock.calls[0]?.[1]?.signal?.aborted).toBe(true);
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(lastEventId(fetch, 1)).toBe('1'));
    expect(feed.snapshot().text).toBe('kept');
  });

  it('shows a stop before the server has answered', () => {
    serve(openEventStream().response, openEventStream().response);
    const feed = new RunFeed('run');
    feed.subscribe(() => undefined);
    void feed.stop();
    expect(feed.snapshot()).toMatchObject({ stopping: true });
  });

  it('says so when a stop did not reach the server', async () => {
    serve(openEventStream().response);
    const feed = new RunFeed('run');
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(fetch).toHaveBeenCalled());
    await expect(feed.stop()).rejects.toMatchObject({ code: 'unreachable' });
    await vi.waitFor(() => expect(feed.snapshot()).toMatchObject({ stopping: false }));
  });
});
