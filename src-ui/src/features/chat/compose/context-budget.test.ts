import { describe, expect, it } from 'vitest';

import { aMessage } from '@/test/messages';

import { visibleBranch } from '../tree/branch';
import { contextBudget, estimateTokens, fitOf } from './context-budget';

const details = {
  finish_reason: 'stop',
  prompt_tokens: 700,
  cached_tokens: 0,
  completion_tokens: 300,
  queued_ms: 0,
  time_to_first_token_ms: 80,
  tokens_per_second: 40,
  context: { messages_sent: 1, messages_left_out: 0, context_length: 2048, max_messages: 20 },
};

describe('the context budget', () => {
  it("takes the server's own count of the last answer", () => {
    const branch = visibleBranch([aMessage({ details })], null);
    expect(contextBudget(null, branch, 4096)).toEqual({ limit: 2048, system: 0, history: 1000 });
  });

  it('estimates a conversation without a counted answer', () => {
    const branch = visibleBranch([aMessage({ content: 'x'.repeat(400) })], null);
    expect(contextBudget({ system_prompt: 'y'.repeat(40) }, branch, 4096)).toEqual({
      limit: 4096,
      system: estimateTokens('y'.repeat(40)),
      history: 104,
    });
  });

  it('is not known without a limit', () => {
    expect(contextBudget(null, [], null)).toBeNull();
  });
});

describe('a draft', () => {
  const budget = { limit: 2048, system: 100, history: 1500 };

  it.each([
    [0, 'fits'],
    [100, 'fits'],
    [600, 'leaves_out_history'],
    [1800, 'too_long'],
  ] as const)('of %i tokens: %s', (draft, fit) => {
    expect(fitOf(budget, draft)).toBe(fit);
  });
});
