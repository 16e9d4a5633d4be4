import type {
  Autoscaler,
  Change,
  ClusterEvent,
  Context,
  Contexts,
  DeployOptions,
  LiveUpdate,
  Plan,
  Pod,
  Sample,
  Step,
  Teardown,
  Workload,
} from '../../src/platform/cluster-types';

const MINUTE = 60_000;
const NAMESPACE = 'llm-as-a-service';

// ── contexts

export const K3D: Context = {
  id: { file: '/home/ada/.kube/config', name: 'k3d-flotilla' },
  cluster: 'k3d-flotilla',
  user: 'admin@k3d-flotilla',
  namespace: null,
  server: 'https://127.0.0.1:6550',
  is_current: true,
  is_local: true,
  k3d_cluster: 'flotilla',
  exec: null,
  problem: null,
};

export const REMOTE: Context = {
  ...K3D,
  id: { file: '/home/ada/.kube/config', name: 'gke_harbour_europe-west4_production' },
  cluster: 'production',
  user: 'ada@example.org',
  namespace: 'default',
  server: 'https://203.0.113.7',
  is_current: false,
  is_local: false,
  k3d_cluster: null,
  exec: {
    command: 'gke-gcloud-auth-plugin',
    arguments: ['--project', 'harbour', '--note', 'two words; rm -rf ~'],
    environment: ['CLOUDSDK_CONFIG=/home/ada/.config/gcloud'],
    fingerprint: '9f2b7c41d07e55aa1b3c',
    trusted: false,
  },
};

const BROKEN: Context = {
  ...K3D,
  id: { file: '/home/ada/Downloads/old.yaml', name: 'attic' },
  server: 'https://192.0.2.9:6443',
  is_current: false,
  is_local: false,
  k3d_cluster: null,
  problem: 'Its user “attic” is not in the file. Ask whoever gave it to you for a complete one.',
};

export const CONTEXTS: Contexts = {
  contexts: [K3D, REMOTE, BROKEN],
  chosen: K3D.id,
  problems: [
    {
      file: '/home/ada/Downloads/huge.yaml',
      message: 'It is larger than 1 MB, which no kubeconfig is. It was not read.',
    },
  ],
};

export const NOTHING_CHOSEN: Contexts = { ...CONTEXTS, chosen: null };

export const REMOTE_CHOSEN: Contexts = {
  ...CONTEXTS,
  contexts: [K3D, { ...REMOTE, exec: null }, BROKEN],
  chosen: REMOTE.id,
};

// ── plans

export const OPTIONS: DeployOptions = {
  target: { kind: 'k3d', name: 'flotilla', agents: 2, http_port: 80 },
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
    command: 'k3d cluster create flotilla --agents 2 --port 80:80@loadbalancer',
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

const HPA_DIFF = `--- cluster
+++ wanted
@@ -14,7 +14,7 @@
   metrics:
   - resource:
       name: cpu
       target:
-        averageUtilization: 80
+        averageUtilization: 50
         type: Utilization
     type: Resource
   minReplicas: 2
-  maxReplicas: 3
+  maxReplicas: 4
`;

const CREATED = `--- cluster
+++ wanted
@@ -0,0 +1,9 @@
+apiVersion: v1
+kind: ConfigMap
+metadata:
+  name: backend
+  namespace: ${NAMESPACE}
+data:
+  MAX_CONTEXT_MESSAGES: "20"
+  MODEL_NAME: smollm2:135m
+  OLLAMA_URL: ""
`;

const change = (kind: string, name: string, part: Partial<Change> = {}): Change => ({
  kind,
  name,
  namespace: NAMESPACE,
  action: 'same',
  diff: null,
  conflict: null,
  ...part,
});

export const CHANGES: Change[] = [
  change('ConfigMap', 'backend', { action: 'create', diff: CREATED }),
  change('HorizontalPodAutoscaler', 'backend', { action: 'change', diff: HPA_DIFF }),
  change('Deployment', 'frontend', {
    action: 'change',
    diff: '--- cluster\n+++ wanted\n@@ -21,3 +21,3 @@\n       containers:\n-      - image: flotilla-frontend:0.0.9\n+      - image: flotilla-frontend:0.1.0\n         name: frontend\n',
  }),
  change('Deployment', 'backend'),
  change('Service', 'backend'),
  change('Service', 'frontend'),
  change('Ingress', 'flotilla'),
  change('StatefulSet', 'postgres'),
];

const LOG = [
  '21:02:11 docker: #12 [server build 6/9] RUN cargo build --release',
  '21:02:40 docker: #15 exporting layers 4.1s done',
  '21:02:41 k3d: Importing image(s) into cluster ‘flotilla’',
  '21:02:44 k3d: Saving 2 image(s) from runtime...',
];

export const TEARDOWN: Teardown = {
  remove: CHANGES.map(({ kind, name, namespace }) => ({ kind, name, namespace })),
  keep: [
    {
      object: { kind: 'PersistentVolumeClaim', name: 'data-postgres-0', namespace: NAMESPACE },
      why: 'It holds the chats. Delete it by hand when they may go.',
    },
  ],
  commands: ['kubectl delete -k k8s/overlays/k3d'],
};

/** A plan that stands at a step: what is before it is done, what is after it is to come. */
export function planAt(id: Step['id'], now: number, part: Partial<Plan>, step: Partial<Step>): Plan {
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

export const IMPORTING = (now: number) =>
  planAt(
    'images',
    now,
    {},
    {
      progress: { done: 312_000_000, total: 640_000_000, unit: 'bytes' },
      detail: 'Sending flotilla-backend:0.1.0 to k3d-flotilla-agent-1',
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

// ── live state

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

export function autoscaler(now: number): Autoscaler {
  return {
    name: 'backend',
    namespace: NAMESPACE,
    target: 'backend',
    min: 2,
    max: 4,
    current: 4,
    desired: 4,
    metrics: [{ name: 'cpu', current: 83, target: 50, unit: 'percent' }],
    conditions: [
      {
        type: 'AbleToScale',
        status: true,
        reason: 'ReadyForNewScale',
        message: 'recommended size matches current size',
      },
      {
        type: 'ScalingActive',
        status: true,
        reason: 'ValidMetricFound',
        message: 'the HPA was able to successfully calculate a replica count from cpu resource utilization',
      },
      {
        type: 'ScalingLimited',
        status: true,
        reason: 'TooManyReplicas',
        message: 'the desired replica count is more than the maximum replica count',
      },
    ],
    last_scaled_at: now - 4 * MINUTE,
    explanation: [
      'The backends use 83 % of the CPU that they asked for; the target is 50 %.',
      'ceil(4 × 83 / 50) = 7 replicas would bring it back to the target.',
      'The ratio 1.66 is outside the tolerance of 0.10, so a change is due.',
      'At most 4 replicas are allowed, so it stays at 4.',
      'When the load ends, the highest wish of the last 5 minutes holds it up before it scales down.',
    ],
  };
}

export function events(now: number): ClusterEvent[] {
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

/** Six hours: quiet, then a load under which the autoscaler goes from 2 to 4. */
export function samples(now: number): Sample[] {
  const every = 15_000;
  return Array.from({ length: 1_440 }, (_, index) => {
    const at = now - (1_439 - index) * every;
    const minutesAgo = (now - at) / MINUTE;
    const loaded = minutesAgo < 12;
    const desired = minutesAgo < 4 ? 4 : minutesAgo < 10 ? 3 : 2;
    const current = minutesAgo < 3.8 ? 4 : minutesAgo < 9.8 ? 3 : 2;
    const ready = minutesAgo < 9.2 ? 3 : 2;
    const wave = Math.sin(index / 7) + Math.sin(index / 3.1) / 2;
    const metric = loaded ? 83 + 9 * wave - (12 - minutesAgo) : 9 + 3 * wave;
    return {
      at,
      desired,
      current,
      ready,
      min: 2,
      max: 4,
      metric: Math.max(1, Math.round(metric)),
      target: 50,
      tokens_per_second: loaded ? Math.max(0, 38 * ready + 9 * wave) : Math.max(0, 2 + wave),
      ttft_ms: loaded ? Math.max(120, 1_450 - 240 * ready + 130 * wave) : 180 + 20 * wave,
      queue_depth: loaded ? Math.max(0, Math.round(14 - 3 * ready + 2 * wave)) : 0,
      in_flight: loaded ? Math.max(0, Math.round(6 * ready + wave)) : minutesAgo % 3 < 0.5 ? 1 : 0,
    };
  });
}

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

export const ANSWERS = {
  cluster_contexts: CONTEXTS,
  cluster_default_options: OPTIONS,
  cluster_plan: null,
  cluster_watch: 'watch-1',
  cluster_logs: 'logs-1',
  cluster_load: 'load-1',
  cluster_drill: 'drill-1',
  cluster_forwards: [],
  cluster_limits: { load_chats: 64, load_seconds: 600, drill_chats: 32 },
};
