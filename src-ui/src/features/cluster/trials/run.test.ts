import { describe, expect, it, vi } from 'vitest';

import { createRun } from './run';

function aRun() {
  const tell: ((update: { done: boolean; step: number }) => void)[] = [];
  const stop = vi.fn();
  const run = createRun<string, { done: boolean; step: number }>((_, onUpdate) => {
    tell.push(onUpdate);
    return Promise.resolve(stop);
  });
  return { run, tell, stop };
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

  it('is stopped by the next one, and tells nothing from then on', async () => {
    const { run, tell, stop } = aRun();
    run.begin('first');
    run.begin('second');
    await vi.waitFor(() => expect(stop).toHaveBeenCalledTimes(1));
    tell[0]?.({ done: true, step: 9 });
    expect(run.use.getState()).toMatchObject({ running: true, options: 'second', update: null });
  });
});
