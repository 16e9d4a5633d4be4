import { request } from './client';
import type {
  Conversation,
  ConversationChange,
  ConversationPage,
  ConversationWithMessages,
  NewConversation,
} from './types';

const PAGE_SIZE = 50;

export function listConversations(
  filter: { query?: string; cursor?: string | null },
  signal?: AbortSignal,
): Promise<ConversationPage> {
  const search = new URLSearchParams({ limit: String(PAGE_SIZE) });
  if (filter.query) search.set('query', filter.query);
  if (filter.cursor) search.set('cursor', filter.cursor);
  return request('GET', `/api/conversations?${search}`, { signal });
}

export function getConversation(id: string, signal?: AbortSignal): Promise<ConversationWithMessages> {
  return request('GET', `/api/conversations/${id}`, { signal });
}

export function createConversation(body: NewConversation & { id: string }): Promise<Conversation> {
  return request('POST', '/api/conversations', { body });
}

export function changeConversation(
  id: string,
  body: ConversationChange,
  { keepalive = false } = {},
): Promise<Conversation> {
  return request('PATCH', `/api/conversations/${id}`, { body, keepalive });
}

export function deleteConversation(id: string): Promise<void> {
  return request('DELETE', `/api/conversations/${id}`);
}
