import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';

import { createConversation } from '@/api/conversations';
import { ApiError, errorMessage } from '@/api/error';
import { keys } from '@/api/queries';
import { postMessage } from '@/api/runs';
import type { ConversationWithMessages, NewConversation, Turn } from '@/api/types';
import { uuidv7 } from '@/lib/uuid';

import { addTurn } from '../conversation-cache';
import { NEW_CHAT, useUnsentStore, type Unsent } from './unsent';

/**
 * Sends a message into a conversation that exists, when its settings are saved: the answer is made with them. The
 * message stays in the unsent store until the server has it.
 */
export function useSend(conversationId: string, settingsSaved: () => Promise<void>) {
  const queryClient = useQueryClient();
  const deliverHere = useCallback(
    (unsent: Unsent) =>
      deliver(conversationId, unsent, async () => {
        await settingsSaved();
        addTurn(queryClient, await post(unsent));
        void queryClient.invalidateQueries({ queryKey: keys.conversationLists });
      }),
    [conversationId, queryClient, settingsSaved],
  );
  const send = useCallback(
    (content: string, parentId: string | null) => deliverHere(newUnsent(conversationId, parentId, content)),
    [conversationId, deliverHere],
  );
  return { send, retry: deliverHere };
}

/** Sends the first message: makes the conversation, then posts into it. */
export function useSendFirst(
  settings: Omit<NewConversation, 'id'>,
  onSent: (conversationId: string) => void,
) {
  const queryClient = useQueryClient();
  const retry = (unsent: Unsent) =>
    deliver(NEW_CHAT, unsent, async () => {
      await startConversation(queryClient, { ...settings, id: unsent.conversationId });
      addTurn(queryClient, await post(unsent));
      void queryClient.invalidateQueries({ queryKey: keys.conversationLists });
      // The first message gave it a title.
      void queryClient.invalidateQueries({ queryKey: keys.conversation(unsent.conversationId) });
      onSent(unsent.conversationId);
    });
  const send = (content: string) => retry(newUnsent(uuidv7(), null, content));
  return { send, retry };
}

async function deliver(scope: string, unsent: Unsent, attempt: () => Promise<void>): Promise<void> {
  const { put, remove } = useUnsentStore.getState();
  put(scope, { ...unsent, state: 'sending', cause: null });
  try {
    await attempt();
    remove(scope);
  } catch (error) {
    put(scope, { ...unsent, state: 'failed', cause: errorMessage(error) });
  }
}

async function startConversation(
  queryClient: QueryClient,
  body: NewConversation & { id: string },
): Promise<void> {
  try {
    const conversation = await createConversation(body);
    queryClient.setQueryData<ConversationWithMessages>(keys.conversation(body.id), {
      conversation,
      messages: [],
    });
  } catch (error) {
    // An earlier try got this far before its answer was lost.
    if (!(error instanceof ApiError && error.code === 'conflict')) throw error;
  }
}

function post(unsent: Unsent): Promise<Turn> {
  return postMessage(unsent.conversationId, {
    id: unsent.id,
    parent_id: unsent.parentId,
    content: unsent.content,
  });
}

function newUnsent(conversationId: string, parentId: string | null, content: string): Unsent {
  return { id: uuidv7(), conversationId, parentId, content, state: 'sending', cause: null };
}
