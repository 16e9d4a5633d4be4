import { createContext, use } from 'react';

import type { Message } from '@/api/types';

import type { Unsent } from './compose/unsent';

/** What a message in the thread can ask for. The functions keep their identity, so messages do not redraw. */
export interface ThreadActions {
  /** Sends another version of a user message, beside the first. */
  edit: (message: Message, content: string) => void;
  /** Answers a user message again, beside the earlier answers. */
  answerAgain: (userMessageId: string) => void;
  /** Shows the branch that a message is on. */
  showBranch: (messageId: string) => void;
  retryUnsent: (unsent: Unsent) => void;
  editUnsent: (unsent: Unsent, content: string) => void;
  discardUnsent: () => void;
}

export const ThreadActionsContext = createContext<ThreadActions | null>(null);

export function useThreadActions(): ThreadActions {
  const actions = use(ThreadActionsContext);
  if (!actions) throw new Error('A message was drawn outside of a thread.');
  return actions;
}
