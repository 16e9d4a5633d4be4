import type { QueryClient } from '@tanstack/react-query';

import { keys } from '@/api/queries';
import type { Conversation, ConversationWithMessages, Message, Turn } from '@/api/types';

/** Puts a message in the place of its earlier version. */
export function replaceMessage(queryClient: QueryClient, message: Message): void {
  update(queryClient, message.conversation_id, (data) => ({
    ...data,
    messages: data.messages.map((existing) => (existing.id === message.id ? message : existing)),
  }));
}

/** Adds a turn and shows it, as the server does. */
export function addTurn(queryClient: QueryClient, turn: Turn): void {
  const added = [turn.user_message, turn.assistant_message];
  update(queryClient, turn.user_message.conversation_id, (data) => ({
    conversation: { ...data.conversation, head_id: turn.assistant_message.id },
    messages: [...data.messages.filter(({ id }) => added.every((message) => message.id !== id)), ...added],
  }));
}

export function updateConversation(
  queryClient: QueryClient,
  id: string,
  change: (conversation: Conversation) => Conversation,
): void {
  update(queryClient, id, (data) => ({ ...data, conversation: change(data.conversation) }));
}

/** A fetch that was under way would bring back the state before the change, so it is dropped. */
function update(
  queryClient: QueryClient,
  conversationId: string,
  change: (data: ConversationWithMessages) => ConversationWithMessages,
): void {
  const queryKey = keys.conversation(conversationId);
  void queryClient.cancelQueries({ queryKey });
  queryClient.setQueryData<ConversationWithMessages>(queryKey, (data) => data && change(data));
}
