import { describe, expect, it } from 'vitest';

import type { LiveUpdate } from '@/platform/cluster-types';
import { anEvent, anUpdate, aPod, aSample } from '@/test/cluster';

import { MAX_EVENTS, MAX_SAMPLES, reduceLive, unknown, type LiveState } from './live-state';

function receive(state: LiveState, ...updates: Partial<LiveUpdate>[]): LiveState {
  return updates.reduce<LiveState>(
    (next, update) => reduceLive(next, { type: 'update', update: anUpdate(update) }),
    state,
  );
}

describe('the live state of a cluster', () => {
  it('takes a pod that is told again for the same pod', () => {
    const state = receive(
      unknown,
      { pods: [aPod({ uid: 'a', ready: false }), aPod({ uid: 'b' })] },
      { pods: [aPod({ uid: 'a', ready: true })] },
    );
    expect([...state.pods.keys()]).toEqual(['a', 'b']);
    expect(state.pods.get('a')?.ready).toBe(true);
  });

  it('forgets pods that are gone, and does not mind one it never knew', () => {
    const state = receive(
      unknown,
      { pods: [aPod({ uid: 'a' }), aPod({ uid: 'b' })] },
      { gone_pods: ['a', 'stranger'] },
    );
    expect([...state.pods.keys()]).toEqual(['b']);
  });

  it('keeps a pod that goes and comes in one update', () => {
    const state = receive(
      unknown,
      { pods: [aPod({ uid: 'a' })] },
      { gone_pods: ['a'], pods: [aPod({ uid: 'a', restarts: 1 })] },
    );
    expect(state.pods.get('a')?.restarts).toBe(1);
  });

  it('forgets everything on a reset', () => {
    const before = receive(unknown, {
      pods: [aPod({ uid: 'a' })],
      events: [anEvent('1')],
      samples: [aSample(0)],
      deployments: [],
    });
    const state = receive(before, { reset: true, pods: [aPod({ uid: 'b' })] });
    expect([...state.pods.keys()]).toEqual(['b']);
    expect(state).toMatchObject({ events: [], samples: [], deployments: null });
  });

  it('keeps what an update does not speak of, down to its identity', () => {
    const before = receive(unknown, { pods: [aPod()], deployments: [], samples: [aSample(0)] });
    const after = receive(before, { connection: { state: 'reconnecting', reason: 'gone', since: 1 } });
    expect(after.connection.state).toBe('reconnecting');
    expect(after.pods).toBe(before.pods);
    expect(after.deployments).toBe(before.deployments);
    expect(after.samples).toBe(before.samples);
  });

  it('lets the oldest samples go when a day is full', () => {
    const day = Array.from({ length: MAX_SAMPLES }, (_, index) => aSample(index));
    const state = receive(unknown, { samples: day }, { samples: [aSample(MAX_SAMPLES)] });
    expect(state.samples).toHaveLength(MAX_SAMPLES);
    expect([state.samples[0]?.at, state.samples.at(-1)?.at]).toEqual([1, MAX_SAMPLES]);
  });

  it('shows an event that happens again once, with its new count', () => {
    const state = receive(
      unknown,
      { events: [anEvent('1'), anEvent('2')] },
      { events: [anEvent('1', { count: 2 })] },
    );
    expect(state.events.map(({ uid, count }) => [uid, count])).toEqual([
      ['2', 1],
      ['1', 2],
    ]);
  });

  it('keeps a bounded number of events', () => {
    const many = Array.from({ length: MAX_EVENTS + 5 }, (_, index) => anEvent(String(index)));
    expect(receive(unknown, { events: many }).events).toHaveLength(MAX_EVENTS);
  });

  it('says why nothing is told, until something is', () => {
    const failed = reduceLive(unknown, { type: 'failed', problem: 'No rights.' });
    expect(failed.problem).toBe('No rights.');
    expect(receive(failed, {}).problem).toBeNull();
  });
});
