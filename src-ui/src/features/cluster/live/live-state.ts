import type { Autoscaler, ClusterEvent, LiveUpdate, Pod, Sample, Workload } from '@/platform/cluster-types';

/** One day at a sample every 15 seconds, as long as the ring on disk. */
export const MAX_SAMPLES = 5_760;
export const MAX_EVENTS = 1_000;

/** What is known of the cluster. `null` where nothing has been said yet. */
export interface LiveState {
  connection: LiveUpdate['connection'];
  pods: ReadonlyMap<string, Pod>;
  deployments: readonly Workload[] | null;
  autoscalers: readonly Autoscaler[];
  /** Oldest first. */
  events: readonly ClusterEvent[];
  /** Oldest first. */
  samples: readonly Sample[];
  url: string | null;
  healthy: boolean | null;
  /** Why nothing is being told at all. */
  problem: string | null;
}

export type LiveAction = { type: 'update'; update: LiveUpdate } | { type: 'failed'; problem: string };

export const unknown: LiveState = {
  connection: { state: 'connecting', reason: null, since: 0 },
  pods: new Map(),
  deployments: null,
  autoscalers: [],
  events: [],
  samples: [],
  url: null,
  healthy: null,
  problem: null,
};

/** What did not change keeps its identity, so that its readers do not draw again. */
export function reduceLive(state: LiveState, action: LiveAction): LiveState {
  if (action.type === 'failed') return { ...state, problem: action.problem };
  const { update } = action;
  const known = update.reset ? unknown : state;
  return {
    connection: update.connection,
    pods: mergePods(known.pods, update),
    deployments: update.deployments ?? known.deployments,
    autoscalers: update.autoscalers ?? known.autoscalers,
    events: mergeEvents(known.events, update.events),
    samples: append(known.samples, update.samples, MAX_SAMPLES),
    url: update.url,
    healthy: update.healthy,
    problem: null,
  };
}

function mergePods(known: LiveState['pods'], { pods, gone_pods: gone }: LiveUpdate): LiveState['pods'] {
  if (pods.length === 0 && gone.length === 0) return known;
  const merged = new Map(known);
  for (const uid of gone) merged.delete(uid);
  for (const pod of pods) merged.set(pod.uid, pod);
  return merged;
}

/** An event that happens again comes again, with a higher count: the newest telling replaces the older one. */
function mergeEvents(known: readonly ClusterEvent[], news: ClusterEvent[]): readonly ClusterEvent[] {
  if (news.length === 0) return known;
  const again = new Set(news.map((event) => event.uid));
  return append(
    known.filter((event) => !again.has(event.uid)),
    news,
    MAX_EVENTS,
  );
}

function append<T>(known: readonly T[], news: readonly T[], limit: number): readonly T[] {
  return news.length === 0 ? known : [...known, ...news].slice(-limit);
}
