import { describe, expect, it } from 'vitest';

import { aMessage } from '@/test/messages';

import { newestLeaf, visibleBranch } from './branch';

// q ─ a1 ─ q2 ─ a3
//   └ a2
// other (a second first prompt)
const messages = [
  aMessage({ id: 'q', role: 'user' }),
  aMessage({ id: 'a1', parent_id: 'q' }),
  aMessage({ id: 'q2', parent_id: 'a1', role: 'user' }),
  aMessage({ id: 'a3', parent_id: 'q2' }),
  aMessage({ id: 'a2', parent_id: 'q' }),
  aMessage({ id: 'other', role: 'user' }),
];
const ids = (headId: string | null) => visibleBranch(messages, headId).map(({ message }) => message.id);

describe('the visible branch', () => {
  it('runs from the root to the head', () => {
    expect(ids('a3')).toEqual(['q', 'a1', 'q2', 'a3']);
    expect(ids('a2')).toEqual(['q', 'a2']);
  });

  it('ends at the newest message when the head is not known', () => {
    expect(ids(null)).toEqual(['other']);
    expect(ids('gone')).toEqual(['other']);
  });

  it('names the versions that stand in one place, first prompts too', () => {
    expect(visibleBranch(messages, 'a2').map(({ siblings }) => siblings)).toEqual([
      ['q', 'other'],
      ['a1', 'a2'],
    ]);
  });

  it('is empty without messages', () => {
    expect(visibleBranch([], null)).toEqual([]);
  });

  it('survives a circle in broken data', () => {
    const circle = [aMessage({ id: 'a', parent_id: 'b' }), aMessage({ id: 'b', parent_id: 'a' })];
    expect(visibleBranch(circle, 'b')).toHaveLength(2);
    expect(['a', 'b']).toContain(newestLeaf(circle, 'a'));
  });
});

describe('choosing a version', () => {
  it('leads to the newest leaf below it', () => {
    expect(newestLeaf(messages, 'a1')).toBe('a3');
    expect(newestLeaf(messages, 'q')).toBe('a2');
    expect(newestLeaf(messages, 'a2')).toBe('a2');
  });
});
