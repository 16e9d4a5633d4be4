import { beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '@/api/error';
import type { Stop } from '@/platform';
import type { LiveUpdate } from '@/platform/cluster-types';
import { anUpdate, aPod } from '@/test/cluster';

import { LiveFeed } from './live-feed';

type Watch = (onUpdate: (update: LiveUpdate) => void) => Promise<Stop>;

const watch = vi.hoisted(() => vi.fn<Watch>());
vi.mock('../cluster', () => ({ cluster: () => ({ watch }) }));

const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));

describe('following a cluster', () => {
  let tell: (update: LiveUpdate) => void;
  const stop = vi.fn<Stop>();

  beforeEach(() => {
    stop.mockReset();
    watch.mockImplementation((onUpdate) => {
      tell = onUpdate;
      return Promise.resolve(stop);
    });
  });

  it('tells its readers once a frame, however much comes', async () => {
    const feed = new LiveFeed();
    const listener = vi.fn();
    feed.subscribe(listener);
    feed.start();
    tell(anUpdate({ pods: [aPod({ uid: 'a' })] }));
    tell(anUpdate({ pods: [aPod({ uid: 'b' })] }));
    expect(feed.snapshot().pods.size).toBe(0);
    await frame();
    expect(listener).toHaveBeenCalledTimes(1);
    expect(feed.snapshot().pods.size).toBe(2);
  });

  it('ends the subscription when it is stopped, and hears nothing after that', async () => {
    const feed = new LiveFeed();
    const end = feed.start();
    await frame();
    end();
    expect(stop).toHaveBeenCalledTimes(1);
    tell(anUpdate({ pods: [aPod()] }));
    await frame();
    expect(feed.snapshot().pods.size).toBe(0);
  });

  it('ends a subscription that was still being started when it was stopped', async () => {
    new LiveFeed().start()();
    await frame();
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it('says why it cannot follow', async () => {
    watch.mockRejectedValue(new ApiError('The cluster refuses you.', { code: 'forbidden' }));
    const feed = new LiveFeed();
    feed.start();
    await frame();
    await frame();
    expect(feed.snapshot().problem).toBe('The cluster refuses you.');
  });
});
