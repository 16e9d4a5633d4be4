import { queryOptions, useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query';

import type { Contexts } from '@/platform/cluster-types';

import { cluster } from './cluster';

export const keys = {
  contexts: ['cluster', 'contexts'],
  defaultOptions: ['cluster', 'default-options'],
  forwards: ['cluster', 'forwards'],
  limits: ['cluster', 'limits'],
} as const;

/** Commands of the shell do not fail in passing as a network does: a failure is shown and the user tries again. */
const NO_RETRY = { retry: false, refetchOnWindowFocus: false } as const;

export const contextsQuery = () =>
  queryOptions({ queryKey: keys.contexts, queryFn: () => cluster().contexts(), ...NO_RETRY });

export const defaultOptionsQuery = () =>
  queryOptions({ queryKey: keys.defaultOptions, queryFn: () => cluster().defaultOptions(), ...NO_RETRY });

export const limitsQuery = () =>
  queryOptions({
    queryKey: keys.limits,
    queryFn: () => cluster().limits(),
    staleTime: Infinity,
    ...NO_RETRY,
  });

/** How often the state of the app's own port-forwards is read. Nothing of it reaches the cluster. */
const FORWARDS_INTERVAL_MS = 2_000;

export const forwardsQuery = () =>
  queryOptions({
    queryKey: keys.forwards,
    queryFn: () => cluster().forwards(),
    refetchInterval: FORWARDS_INTERVAL_MS,
    ...NO_RETRY,
  });

/** A change of the contexts; what comes back is what is shown from then on. */
export function useContextChange<Arguments>(change: (args: Arguments) => Promise<Contexts>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (contexts) => showContexts(queryClient, contexts),
  });
}

async function showContexts(queryClient: QueryClient, contexts: Contexts): Promise<void> {
  // A list that was asked for before the change must not come after it.
  await queryClient.cancelQueries({ queryKey: keys.contexts });
  queryClient.setQueryData(keys.contexts, contexts);
  void queryClient.invalidateQueries({ queryKey: keys.defaultOptions });
}
