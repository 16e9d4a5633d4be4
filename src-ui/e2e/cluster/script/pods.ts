import type { Pod, Workload } from '../../../src/platform/cluster-types';
import { MINUTE, NAMESPACE } from './scene';

const pod = (name: string, part: Partial<Pod> & { now: number }): Pod => {
  const { now, ...rest } = part;
  return {
    uid: name,
    name,
    namespace: NAMESPACE,
    app: name.split('-')[0] ?? name,
    phase: 'Running',
    ready: true,
    ready_containers: 1,
    containers: 1,
    restarts: 0,
    node: 'k3d-flotilla-agent-0',
    image: 'flotilla-backend:0.1.0',
    created_at: now - 42 * MINUTE,
    deleting: false,
    why: null,
    cpu_millicores: 412,
    memory_bytes: 402_000_000,
    cpu_request_millicores: 500,
    ...rest,
  };
};

export function pods(now: number): Pod[] {
  return [
    pod('backend-7d9f8b6c54-x2x9p', { now }),
    pod('backend-7d9f8b6c54-k8mfw', { now, cpu_millicores: 655, node: 'k3d-flotilla-agent-1', restarts: 1 }),
    pod('backend-7d9f8b6c54-q7ttz', { now, created_at: now - 4 * MINUTE, cpu_millicores: 498 }),
    pod('backend-7d9f8b6c54-zz4lc', {
      now,
      created_at: now - 0.4 * MINUTE,
      ready: false,
      ready_containers: 0,
      why: 'Its startup probe has not passed yet: the model is being loaded.',
      cpu_millicores: null,
      memory_bytes: null,
    }),
    pod('frontend-66c9d5b7f8-2bl7d', {
      now,
      cpu_millicores: 4,
      memory_bytes: 14_000_000,
      cpu_request_millicores: 20,
      image: 'flotilla-frontend:0.1.0',
    }),
    pod('frontend-66c9d5b7f8-vw5pn', {
      now,
      phase: 'Pending',
      ready: false,
      ready_containers: 0,
      node: null,
      why: 'The image flotilla-frontend:0.1.0 is not on the node and cannot be pulled. Import it, or deploy again.',
      cpu_millicores: null,
      memory_bytes: null,
      cpu_request_millicores: 20,
    }),
    pod('postgres-0', { now, cpu_millicores: 21, memory_bytes: 61_000_000, cpu_request_millicores: 100 }),
  ];
}

const workload = (name: string, desired: number, ready: number, part: Partial<Workload> = {}): Workload => ({
  kind: 'Deployment',
  name,
  namespace: NAMESPACE,
  desired,
  current: desired,
  updated: desired,
  ready,
  available: ready,
  why: null,
  autoscaler: null,
  ...part,
});

export const WORKLOADS: Workload[] = [
  workload('backend', 4, 3, { autoscaler: 'backend' }),
  workload('frontend', 2, 1, { why: 'One pod waits for its image.' }),
  workload('postgres', 1, 1, { kind: 'StatefulSet' }),
];
