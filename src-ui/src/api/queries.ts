import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';

import { getConversation, listConversations } from './conversations';
import { listModels } from './models';

/** Every key of the query cache, so what is read and what is invalidated cannot drift apart. */
export const keys = {
  conversationLists: ['conversations'] as const,
  conversationList: (query: string) => ['conversations', query] as const,
  conversation: (id: string) => ['conversation', id] as const,
  models: ['models'] as const,
};

/** Newest first, a page at a time; with a query, the best match of each conversation. */
export const conversationListQuery = (query: string) =>
  infiniteQueryOptions({
    queryKey: keys.conversationList(query),
    queryFn: ({ pageParam, signal }) => listConversations({ query, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const conversationQuery = (id: string) =>
  queryOptions({
    queryKey: keys.conversation(id),
    queryFn: ({ signal }) => getConversation(id, signal),
  });

export const modelsQuery = () =>
  queryOptions({
    queryKey: keys.models,
    queryFn: ({ signal }) => listModels(signal),
    staleTime: 30_000,
  });
