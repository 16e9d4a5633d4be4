import type { Conversation, Details } from '@/api/types';

import type { BranchNode } from '../tree/branch';

/** How the model's context is filled, in tokens. */
export interface ContextBudget {
  limit: number;
  system: number;
  history: number;
}

/** English text averages about four characters a token; the bar is a guide, the server counts. */
const CHARACTERS_PER_TOKEN = 4;
/** What a chat template wraps around each message. */
const TOKENS_PER_MESSAGE = 4;

export function estimateTokens(text: string): number {
  return text === '' ? 0 : Math.ceil(text.length / CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE;
}

/** What the next message finds in the context. `null` when the model's limit is not known. */
export function contextBudget(
  conversation: Pick<Conversation, 'system_prompt'> | null,
  branch: BranchNode[],
  modelLimit: number | null,
): ContextBudget | null {
  const last = branch.findLast(({ message }) => message.details !== null)?.message.details;
  const limit = last?.context.context_length ?? modelLimit;
  if (limit === null) return null;
  const system = estimateTokens(conversation?.system_prompt ?? '');
  const counted = last ? countedTokens(last) : null;
  const history = counted === null ? estimateHistory(branch) : Math.max(0, counted - system);
  return { limit, system, history };
}

/** The server's own count of everything up to and including an answer; engines do not always have one. */
function countedTokens({ prompt_tokens, completion_tokens }: Details): number | null {
  return prompt_tokens === null || completion_tokens === null ? null : prompt_tokens + completion_tokens;
}

function estimateHistory(branch: BranchNode[]): number {
  return branch.reduce((sum, { message }) => sum + estimateTokens(message.content), 0);
}

export type Fit = 'fits' | 'leaves_out_history' | 'too_long';

/** Whether a draft still fits, some room for the answer included. */
export function fitOf({ limit, system, history }: ContextBudget, draft: number): Fit {
  const room = limit - Math.min(256, limit / 4);
  if (draft > 0 && system + draft > room) return 'too_long';
  return draft > 0 && system + history + draft > room ? 'leaves_out_history' : 'fits';
}
