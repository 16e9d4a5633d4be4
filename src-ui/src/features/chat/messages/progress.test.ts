import { describe, expect, it } from 'vitest';

import { newRun, reduceRun } from '../stream/run-state';
import { progress } from './progress';

const waiting = reduceRun(newRun, { type: 'event', seq: 1, event: { type: 'queued', position: 3 } });

describe('the words beside an answer that is not complete', () => {
  it('say the place in line while it waits for its turn', () => {
    expect(progress(waiting, false)).toBe('Waiting, 3rd in line…');
  });

  it('say that the model thinks when it is its turn', () => {
    expect(progress(newRun, false)).toBe('Thinking…');
  });

  it('say nothing beside the text', () => {
    expect(progress(newRun, true)).toBe('');
  });

  it('say that the connection is lost, whatever else is known', () => {
    expect(progress(reduceRun(waiting, { type: 'disconnected' }), true)).toBe('Reconnecting…');
  });
});
