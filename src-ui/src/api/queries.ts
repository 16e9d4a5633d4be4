import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';

import { getConversation, listConversations } from './conversations';
import { listJobs } from './jobs';
import { listModels } from './models';
import type { Job } from './types';

/** Every key of the query cache, so what is read and what is invalidated cannot drift apart. */
export const keys = {
  conversationLists: ['conversations'] as const,
  conversationList: (query: string) => ['conversations', query] as const,
  conversation: (id: string) => ['conversation', id] as const,
  models: ['models'] as const,
  jobs: ['jobs'] as const,
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

/** Downloads; looked at every second while one runs. */
export const jobsQuery = () =>
  queryOptions({
    queryKey: keys.jobs,
    queryFn: ({ signal }) => listJobs(signal),
    refetchInterval: ({ state }) => (state.data?.jobs.some(isRunning) ? 1000 : false),
  });

const isRunning = ({ status }: Job) => status === 'running';
