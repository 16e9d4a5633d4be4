import { describe, expect, it, vi } from 'vitest';

import { ApiError } from '@/api/error';

import { createRun } from './run';

function aRun() {
  const tell: ((update: { done: boolean; step: number }) => void)[] = [];
  const ends: ((error: ApiError | null) => void)[] = [];
  const stop = vi.fn();
  const run = createRun<string, { done: boolean; step: number }>((_, onUpdate, onEnd) => {
    tell.push(onUpdate);
    ends.push(onEnd);
    return Promise.resolve(stop);
  });
  return { run, tell, ends, stop };
}

describe('a run', () => {
  it('ends by itself and keeps its result', () => {
    const { run, tell } = aRun();
    run.begin('options');
    tell[0]?.({ done: false, step: 1 });
    expect(run.use.getState().running).toBe(true);
    tell[0]?.({ done: true, step: 2 });
    expect(run.use.getState()).toMatchObject({ running: false, update: { step: 2 }, options: 'options' });
  });

  it('that breaks off in the middle says why and runs no more', () => {
    const { run, tell, ends } = aRun();
    run.begin('options');
    tell[0]?.({ done: false, step: 1 });
    ends[0]?.(new ApiError('The pod may not be deleted.', { code: 'forbidden' }));
    expect(run.use.getState()).toMatchObject({ running: false, problem: 'The pod may not be deleted.' });
  });

  it('is stopped by the next one, and tells nothing from then on', async () => {
    const { run, tell, stop } = aRun();
    run.begin('first');
    run.begin('second');
    await vi.waitFor(() => expect(stop).toHaveBeenCalledTimes(1));
    tell[0]?.({ done: true, step: 9 });
    expect(run.use.getState()).toMatchObject({ running: true, options: 'second', update: null });
  });
});
