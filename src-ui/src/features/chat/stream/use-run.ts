import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';

import { keys } from '@/api/queries';
import type { Message } from '@/api/types';

import { replaceMessage } from '../conversation-cache';
import { RunFeed } from './run-feed';
import { newRun, type RunState } from './run-state';

const feeds = new Map<string, RunFeed>();

export function runFeed(runId: string): RunFeed {
  let feed = feeds.get(runId);
  if (!feed) feeds.set(runId, (feed = new RunFeed(runId)));
  return feed;
}

/** The live state of a message's run; redraws once a frame. `null` for a message that is finished. */
export function useRun(message: Message): RunState | null {
  const runId = message.status === 'streaming' ? message.run_id : null;
  const state = useSyncExternalStore(
    runId === null ? subscribeToNothing : runFeed(runId).subscribe,
    runId === null ? idle : runFeed(runId).snapshot,
  );
  return runId === null ? null : state;
}

export type RunActivity = 'idle' | 'waiting' | 'streaming' | 'stopping' | 'reconnecting';

/** What a run is doing, in one word: redraws only when the word changes. */
export function useRunActivity(runId: string | null): RunActivity {
  return useSyncExternalStore(runId === null ? subscribeToNothing : runFeed(runId).subscribe, () =>
    runId === null ? 'idle' : activityOf(runFeed(runId).snapshot()),
  );
}

/** Writes a run's outcome into the query cache when it ends, so that the message outlives its feed. */
export function useSettledRun(conversationId: string, runId: string | null): void {
  const queryClient = useQueryClient();
  useEffect(() => {
    if (runId === null) return;
    const feed = runFeed(runId);
    const settle = () => {
      const state = feed.snapshot();
      if (state.phase === 'running') return;
      if (state.phase === 'ended') replaceMessage(queryClient, state.message);
      void queryClient.invalidateQueries({ queryKey: keys.conversation(conversationId) });
      void queryClient.invalidateQueries({ queryKey: keys.conversationLists });
      void queryClient.invalidateQueries({ queryKey: keys.models });
    };
    const unsubscribe = feed.subscribe(settle);
    settle();
    return () => {
      unsubscribe();
      if (feed.snapshot().phase !== 'running') feeds.delete(runId);
    };
  }, [queryClient, conversationId, runId]);
}

function activityOf(state: RunState): RunActivity {
  if (state.phase !== 'running') return 'idle';
  if (state.stopping) return 'stopping';
  if (state.link === 'reconnecting') return 'reconnecting';
  return state.text === '' ? 'waiting' : 'streaming';
}

const subscribeToNothing = () => () => undefined;
const idle = () => newRun;
