import type { ClusterEvent, LiveUpdate, Pod, Sample } from '@/platform/cluster-types';

/** A pod that is ready, except for what the test says. */
export function aPod(changes: Partial<Pod> = {}): Pod {
  return {
    uid: 'pod',
    name: 'backend-7d9f8b6c54-x2x9p',
    namespace: 'llm-as-a-service',
    app: 'backend',
    phase: 'Running',
    ready: true,
    ready_containers: 1,
    containers: 1,
    restarts: 0,
    node: 'node-0',
    image: 'flotilla-backend:0.1.0',
    created_at: 0,
    deleting: false,
    why: null,
    cpu_millicores: 100,
    memory_bytes: 1_000_000,
    cpu_request_millicores: 500,
    ...changes,
  };
}

export function aSample(at: number, changes: Partial<Sample> = {}): Sample {
  return {
    at,
    desired: 2,
    current: 2,
    ready: 2,
    min: 2,
    max: 4,
    metric: 10,
    target: 50,
    tokens_per_second: null,
    ttft_ms: null,
    queue_depth: null,
    in_flight: null,
    ...changes,
  };
}

export function anEvent(uid: string, changes: Partial<ClusterEvent> = {}): ClusterEvent {
  return {
    uid,
    at: 0,
    type: 'Normal',
    reason: 'Started',
    message: '',
    object: 'Pod/x',
    count: 1,
    ...changes,
  };
}

/** An update that says nothing new, except for what the test says. */
export function anUpdate(changes: Partial<LiveUpdate> = {}): LiveUpdate {
  return {
    reset: false,
    connection: { state: 'live', reason: null, since: 0 },
    pods: [],
    gone_pods: [],
    deployments: null,
    autoscalers: null,
    events: [],
    samples: [],
    url: null,
    healthy: null,
    ...changes,
  };
}
