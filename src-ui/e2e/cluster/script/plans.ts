import type { DeployOptions, Plan, Step } from '../../../src/platform/cluster-types';
import { CHANGES } from './changes';
import { MINUTE } from './scene';

export const OPTIONS: DeployOptions = {
  target: { kind: 'k3d', name: 'flotilla', agents: 0, http_port: 80 },
  overlay: 'k3d',
  images: { kind: 'build' },
  load_command: null,
  url: 'http://localhost',
};

const STEPS: Pick<Step, 'id' | 'title' | 'command'>[] = [
  { id: 'preflight', title: 'Checks', command: 'docker info\nk3d version\nkubectl auth can-i --list' },
  {
    id: 'cluster',
    title: 'Cluster',
    command: 'k3d cluster create flotilla --agents 0 --port 80:80@loadbalancer',
  },
  {
    id: 'images',
    title: 'Images',
    command:
      'docker build -f server/Dockerfile -t flotilla-backend:0.1.0 .\nk3d image import -c flotilla flotilla-backend:0.1.0 flotilla-frontend:0.1.0',
  },
  { id: 'diff', title: 'Changes', command: 'kubectl diff --server-side -k k8s/overlays/k3d' },
  {
    id: 'apply',
    title: 'Apply',
    command: 'kubectl apply --server-side --field-manager flotilla -k k8s/overlays/k3d',
  },
  {
    id: 'rollout',
    title: 'Rollout',
    command: 'kubectl -n llm-as-a-service rollout status deployment/backend deployment/frontend',
  },
  { id: 'probe', title: 'Probe', command: 'curl -fsS http://localhost/health' },
];

const CHECKS: Plan['checks'] = [
  { name: 'Docker', status: 'ok', message: 'Docker 29.1 answers.' },
  { name: 'k3d', status: 'ok', message: 'k3d 5.8.3.' },
  { name: 'Port 80', status: 'ok', message: 'Free.' },
  {
    name: 'Memory',
    status: 'warning',
    message: '5.1 GB are free; four backends want 6 GB. Close something, or let it scale to three.',
  },
  { name: 'Disk', status: 'ok', message: '48 GB are free.' },
  { name: 'Rights', status: 'ok', message: 'You may do everything that a deploy does.' },
];

const LOG = [
  '21:02:11 docker: #12 [server build 6/9] RUN cargo build --release',
  '21:02:40 docker: #15 exporting layers 4.1s done',
  '21:02:41 k3d: Importing image(s) into cluster ‘flotilla’',
  '21:02:44 k3d: Saving 2 image(s) from runtime...',
];

/** A plan that stands at a step: what is before it is done, what is after it is to come. */
function planAt(id: Step['id'], now: number, part: Partial<Plan>, step: Partial<Step>): Plan {
  const at = STEPS.findIndex((known) => known.id === id);
  const durations = [1_240, 38_400, 95_200, 2_100, 1_900, 24_300, 800];
  const began = durations.map(
    (_, index) => now - 3 * MINUTE + durations.slice(0, index).reduce((a, b) => a + b, 0),
  );
  return {
    id: 'plan-1',
    context: 'k3d-flotilla',
    options: OPTIONS,
    status: 'running',
    waiting_for: null,
    steps: STEPS.map((known, index) => {
      const start = began[index] ?? now;
      const base: Step = {
        ...known,
        status: 'pending',
        started_at: null,
        finished_at: null,
        progress: null,
        detail: null,
        error: null,
      };
      if (index > at) return base;
      if (index === at) return { ...base, status: 'running', started_at: start, ...step };
      return { ...base, status: 'done', started_at: start, finished_at: start + (durations[index] ?? 0) };
    }),
    checks: CHECKS,
    changes: at >= 3 ? CHANGES : [],
    log: LOG,
    url: null,
    started_at: now - 3 * MINUTE,
    finished_at: null,
    ...part,
  };
}

/** Its cluster does not answer yet. */
export const MAKING = (now: number) =>
  planAt('cluster', now, { context: null }, { detail: 'Making the k3d cluster flotilla.' });

export const IMPORTING = (now: number) =>
  planAt(
    'images',
    now,
    {},
    {
      progress: { done: 312_000_000, total: 640_000_000, unit: 'bytes' },
      detail: 'Sending flotilla-backend:0.1.0 to k3d-flotilla-server-0',
    },
  );

export const ASKING = (now: number) =>
  planAt(
    'apply',
    now,
    { status: 'waiting', waiting_for: 'apply' },
    {
      status: 'waiting',
      detail: 'Nothing is written before you agree.',
    },
  );

export const CONFLICTING = (now: number) =>
  planAt(
    'apply',
    now,
    {
      status: 'waiting',
      waiting_for: 'force',
      changes: CHANGES.map((known) =>
        known.kind === 'HorizontalPodAutoscaler'
          ? { ...known, conflict: '.spec.maxReplicas is owned by “kubectl-edit” since yesterday.' }
          : known,
      ),
    },
    { status: 'waiting', detail: 'One object has fields that someone else owns.' },
  );

export const FAILED = (now: number) =>
  planAt(
    'rollout',
    now,
    { status: 'failed', finished_at: now },
    {
      status: 'failed',
      finished_at: now,
      progress: { done: 1, total: 4, unit: 'pods' },
      detail: 'backend: 1 of 2 ready',
      error: {
        kind: 'cluster_failed',
        message:
          'backend-7d9f8b6c54-x2x9p cannot be placed: no node has 1.5 GB of memory to spare. Stop something in the cluster or add a node, then resume.',
        retryable: true,
      },
    },
  );

export const DONE = (now: number) =>
  planAt(
    'probe',
    now,
    { status: 'done', finished_at: now, url: 'http://localhost' },
    {
      status: 'done',
      finished_at: now,
      detail: 'http://localhost/health answered 200 after 0.8 s.',
    },
  );
