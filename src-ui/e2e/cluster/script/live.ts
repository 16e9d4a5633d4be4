import type { ClusterEvent, LiveUpdate } from '../../../src/platform/cluster-types';
import { autoscaler, samples } from './autoscaler';
import { pods, WORKLOADS } from './pods';
import { MINUTE } from './scene';

export function live(now: number, part: Partial<LiveUpdate> = {}): LiveUpdate {
  return {
    reset: true,
    connection: { state: 'live', reason: null, since: now },
    pods: pods(now),
    gone_pods: [],
    deployments: WORKLOADS,
    autoscalers: [autoscaler(now)],
    events: events(now),
    samples: samples(now),
    url: 'http://localhost',
    healthy: true,
    ...part,
  };
}

/** A cluster that answers and has nothing of ours in it. */
export const EMPTY = (now: number): LiveUpdate =>
  live(now, {
    pods: [],
    deployments: [],
    autoscalers: [],
    events: [],
    samples: [],
    url: null,
    healthy: null,
  });

function events(now: number): ClusterEvent[] {
  const event = (minutes: number, part: Partial<ClusterEvent>): ClusterEvent => ({
    uid: `event-${minutes}`,
    at: now - minutes * MINUTE,
    type: 'Normal',
    reason: 'Started',
    message: 'Started container backend',
    object: 'Pod/backend-7d9f8b6c54-x2x9p',
    count: 1,
    ...part,
  });
  return [
    event(42, { reason: 'Scheduled', message: 'Assigned to k3d-flotilla-agent-0' }),
    event(41.5, {}),
    event(10, {
      reason: 'SuccessfulRescale',
      object: 'HorizontalPodAutoscaler/backend',
      message: 'New size: 3; reason: cpu resource utilization (percentage of request) above target',
    }),
    event(4, {
      reason: 'SuccessfulRescale',
      object: 'HorizontalPodAutoscaler/backend',
      message: 'New size: 4; reason: cpu resource utilization (percentage of request) above target',
    }),
    event(2, {
      type: 'Warning',
      reason: 'ErrImageNeverPull',
      object: 'Pod/frontend-66c9d5b7f8-vw5pn',
      message: 'Container image "flotilla-frontend:0.1.0" is not present with pull policy of Never',
      count: 11,
    }),
    event(0.4, {
      type: 'Warning',
      reason: 'Unhealthy',
      object: 'Pod/backend-7d9f8b6c54-zz4lc',
      message: 'Startup probe failed: HTTP probe failed with statuscode: 503',
      count: 3,
    }),
  ];
}
