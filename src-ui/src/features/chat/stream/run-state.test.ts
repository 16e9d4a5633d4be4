import { describe, expect, it } from 'vitest';

import type { RunEvent } from '@/api/types';
import { aMessage } from '@/test/messages';

import { newRun, reduceRun, type RunState } from './run-state';

const delta = (text: string): RunEvent => ({ type: 'delta', text });

function receive(state: RunState, ...events: [seq: number, event: RunEvent][]): RunState {
  return events.reduce((next, [seq, event]) => reduceRun(next, { type: 'event', seq, event }), state);
}

describe('the state of a run', () => {
  it('joins the pieces of an answer in order', () => {
    expect(receive(newRun, [1, delta('Boats ')], [2, delta('float')])).toMatchObject({
      text: 'Boats float',
      lastSeq: 2,
    });
  });

  it('drops events that come again after a reconnect', () => {
    const before = receive(newRun, [1, delta('a')], [2, delta('b')]);
    const after = receive(before, [1, delta('a')], [2, delta('b')], [3, delta('c')]);
    expect(after).toMatchObject({ text: 'abc', lastSeq: 3 });
  });

  it('goes on behind the text with which another server resumes it', () => {
    const before = receive(newRun, [1, delta('Boats ')], [2, delta('drift')]);
    const after = receive(before, [99, { type: 'resumed', text: 'Boats ' }], [100, delta('float')]);
    expect(after).toMatchObject({ text: 'Boats float', lastSeq: 100 });
  });

  it('keeps the text and the place while the connection is lost', () => {
    const state = reduceRun(receive(newRun, [7, delta('kept')]), { type: 'disconnected' });
    expect(state).toMatchObject({ phase: 'running', link: 'reconnecting', text: 'kept', lastSeq: 7 });
  });

  it('knows the model and the context once the run has started', () => {
    const context = { messages_sent: 2, messages_left_out: 1, context_length: 2048, max_messages: 20 };
    const state = receive(newRun, [1, { type: 'started', model: 'smollm2:135m', context }]);
    expect(state).toMatchObject({ start: { model: 'smollm2:135m', context }, text: '' });
  });

  it('knows its place in line until it is its turn', () => {
    const context = { messages_sent: 1, messages_left_out: 0, context_length: 2048, max_messages: 20 };
    const waiting = receive(
      newRun,
      [1, { type: 'queued', position: 3 }],
      [2, { type: 'queued', position: 2 }],
    );
    expect(waiting).toMatchObject({ position: 2, lastSeq: 2 });
    const started = receive(waiting, [3, { type: 'started', model: 'smollm2:135m', context }]);
    expect(started).toMatchObject({ position: null });
  });

  it.each(['finished', 'failed'] as const)('takes the whole message from the last event, %s', (type) => {
    const message = aMessage({ content: 'the whole answer' });
    const state = receive(newRun, [1, delta('the whole')], [2, { type, message }]);
    expect(state).toEqual({ phase: 'ended', text: 'the whole answer', lastSeq: 2, message });
  });

  it('changes no more after the end', () => {
    const ended = receive(newRun, [1, { type: 'finished', message: aMessage() }]);
    expect(receive(ended, [2, delta('late')])).toBe(ended);
    expect(reduceRun(ended, { type: 'disconnected' })).toBe(ended);
  });

  it('shows a stop at once and takes it back when the server was not told', () => {
    const stopping = reduceRun(newRun, { type: 'stop_requested' });
    expect(stopping).toMatchObject({ stopping: true });
    expect(reduceRun(stopping, { type: 'stop_failed' })).toMatchObject({ stopping: false });
  });

  it('ends without an outcome when the server no longer knows the run', () => {
    const state = reduceRun(receive(newRun, [1, delta('so far')]), { type: 'run_gone' });
    expect(state).toEqual({ phase: 'gone', text: 'so far', lastSeq: 1 });
  });
});
