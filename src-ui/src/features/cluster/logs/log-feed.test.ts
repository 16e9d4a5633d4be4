import { describe, expect, it } from 'vitest';

import { addLines, MAX_LINES } from './log-feed';

const line = (text: string) => ({ pod: 'backend', container: 'backend', at: 0, text });

describe('log lines', () => {
  it('keep their number when older ones are let go', () => {
    const full = addLines(
      { lines: [], received: 0, problem: null },
      Array.from({ length: MAX_LINES }, (_, index) => line(String(index))),
    );
    const state = addLines(full, [line('new')]);
    expect(state.lines).toHaveLength(MAX_LINES);
    expect(state.lines[0]?.number).toBe(1);
    expect(state.lines.at(-1)).toMatchObject({ text: 'new', number: MAX_LINES });
    expect(state.received).toBe(MAX_LINES + 1);
  });
});
