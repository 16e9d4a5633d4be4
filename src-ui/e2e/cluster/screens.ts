import { expect, type Desktop } from './desktop';
import { CHANGES, TEARDOWN } from './script/changes';
import { CONTEXTS, NOTHING_CHOSEN, REMOTE_CHOSEN } from './script/contexts';
import { EMPTY, live } from './script/live';
import { ASKING, CONFLICTING, DONE, FAILED, IMPORTING, OPTIONS } from './script/plans';
import { pods, WORKLOADS } from './script/pods';

type Open = (answers?: Record<string, unknown>, address?: string) => Promise<Desktop>;

export interface Screen {
  name: string;
  open: (open: Open) => Promise<void>;
}

const POD = 'backend-7d9f8b6c54-zz4lc';

export const FORWARD_PREVIEW = {
  allowed: true,
  sentences: [
    'Port 8000 of this computer leads to port 8000 of backend, through a pod that is ready, and through the next when that one ends.',
    'Every program of this computer can use it, and no other computer. It closes with this app.',
  ],
  warning: null,
  command: 'kubectl --context k3d-flotilla --namespace llm-as-a-service port-forward service/backend 8000',
};

const YAML = `apiVersion: v1
kind: Pod
metadata:
  name: ${POD}
  namespace: llm-as-a-service
  labels:
    app.kubernetes.io/name: backend
spec:
  automountServiceAccountToken: false
  containers:
  - name: backend
    image: flotilla-backend:0.1.0
    resources:
      requests:
        cpu: 500m
        memory: 768Mi
    startupProbe:
      httpGet:
        path: /startupz
        port: http
status:
  phase: Running
`;

export const SCREENS: Screen[] = [
  {
    name: 'deploy to a new cluster',
    open: async (open) => {
      const { page } = await open({ cluster_contexts: NOTHING_CHOSEN });
      await expect(page.getByRole('button', { name: 'Deploy', exact: true })).toBeEnabled();
    },
  },
  {
    name: 'deploy to a remote cluster',
    open: async (open) => {
      const { page, shell } = await open({
        cluster_contexts: REMOTE_CHOSEN,
        cluster_default_options: { ...OPTIONS, target: { kind: 'context' }, url: 'https://chat.example.org' },
      });
      await shell.send('cluster_watch', EMPTY(Date.now()));
      await expect(page.getByLabel('Command that loads images into the nodes')).toBeVisible();
    },
  },
  {
    name: 'contexts',
    open: async (open) => {
      const { page } = await open();
      await page.getByRole('button', { name: /^Cluster: k3d-flotilla/ }).click();
      await expect(page.getByRole('dialog', { name: 'Choose a cluster' })).toBeVisible();
    },
  },
  {
    name: 'consent to a program',
    open: async (open) => {
      const { page } = await open();
      await page.getByRole('button', { name: /^Cluster: k3d-flotilla/ }).click();
      await page.getByRole('button', { name: /^Review gke_/ }).click();
      await expect(page.getByRole('dialog', { name: 'Run this program to sign in?' })).toBeVisible();
    },
  },
  { name: 'deploying', open: (open) => showPlan(open, IMPORTING(Date.now())) },
  {
    name: 'checks',
    open: async (open) => {
      const { page } = await open({ cluster_contexts: NOTHING_CHOSEN, cluster_plan: IMPORTING(Date.now()) });
      await page.getByRole('button', { name: /^Checks:/ }).click();
      await expect(page.getByRole('list', { name: 'Checks' })).toBeVisible();
    },
  },
  {
    name: 'changes',
    open: async (open) => {
      const { page } = await open({ cluster_contexts: NOTHING_CHOSEN, cluster_plan: ASKING(Date.now()) });
      await page.getByText('HorizontalPodAutoscaler').click();
      await expect(page.getByText('averageUtilization: 50')).toBeVisible();
    },
  },
  { name: 'conflict', open: (open) => showPlan(open, CONFLICTING(Date.now())) },
  { name: 'failed deploy', open: (open) => showPlan(open, FAILED(Date.now())) },
  {
    name: 'deployed',
    open: async (open) => {
      const { page } = await openLive(open, { cluster_plan: DONE(Date.now()) }, '/cluster?view=deploy');
      await expect(page.getByRole('button', { name: 'Take down…' })).toBeVisible();
    },
  },
  {
    name: 'overview',
    open: async (open) => {
      const { page } = await openLive(open);
      await expect(page.locator('canvas')).toHaveCount(5);
    },
  },
  {
    name: 'overview as a table',
    open: async (open) => {
      const { page } = await openLive(open);
      await page.getByRole('radio', { name: 'Table' }).click();
      await expect(page.getByRole('table')).toBeVisible();
    },
  },
  {
    name: 'overview of a day',
    open: async (open) => {
      const { page } = await openLive(open);
      await page.getByRole('radio', { name: '6 h' }).click();
    },
  },
  {
    name: 'pods',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=pods');
      await expect(page.getByRole('row')).toHaveCount(pods(0).length + 1);
    },
  },
  {
    name: 'a pod',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=pods');
      await page.getByRole('button', { name: 'backend-zz4lc', exact: true }).click();
      await expect(page.getByRole('dialog', { name: POD })).toBeVisible();
    },
  },
  {
    name: 'scale',
    open: async (open) => {
      const { page } = await openLive(
        open,
        {
          cluster_preview: {
            allowed: true,
            sentences: ['backend goes from 4 to 5 replicas.', 'One new pod is started.'],
            warning:
              'The autoscaler “backend” owns this number and will set it back within 15 seconds. Change its limits instead.',
            command: 'kubectl -n llm-as-a-service scale deployment/backend --replicas 5',
          },
        },
        '/cluster?view=pods',
      );
      await page.getByRole('button', { name: 'Scale backend…' }).click();
      await page.getByRole('button', { name: 'One more' }).click();
      await expect(page.getByRole('button', { name: 'Scale to 5' })).toBeEnabled();
    },
  },
  {
    name: 'delete a pod',
    open: async (open) => {
      const { page } = await openLive(
        open,
        {
          cluster_preview: {
            allowed: false,
            sentences: [`${POD} ends within 60 seconds; answers that it writes are finished first.`],
            warning: null,
            command: `kubectl -n llm-as-a-service delete pod/${POD}`,
          },
        },
        '/cluster?view=pods',
      );
      await page.getByRole('button', { name: `Actions for ${POD}` }).click();
      await page.getByRole('menuitem', { name: 'Delete…' }).click();
      await expect(page.getByText('You have no right')).toBeVisible();
    },
  },
  {
    name: 'yaml',
    open: async (open) => {
      const { page } = await openLive(open, { cluster_yaml: YAML }, '/cluster?view=pods');
      await page.getByRole('button', { name: `Actions for ${POD}` }).click();
      await page.getByRole('menuitem', { name: 'YAML' }).click();
      await expect(page.getByText('startupProbe')).toBeVisible();
    },
  },
  {
    name: 'logs',
    open: async (open) => {
      const { page, shell } = await openLive(open, {}, '/cluster?view=logs');
      await shell.send('cluster_logs', logLines(Date.now()));
      await expect(page.getByText('request_id=01JD58K3')).toBeInViewport();
    },
  },
  {
    name: 'no logs',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=logs');
      await expect(page.getByText('No lines yet')).toBeVisible();
    },
  },
  {
    name: 'events',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=events');
      await expect(page.getByText('SuccessfulRescale').first()).toBeVisible();
    },
  },
  {
    name: 'port forwards',
    open: async (open) => {
      const { page } = await openLive(
        open,
        {
          cluster_forwards: [
            {
              id: '1',
              target: 'service/backend',
              context: 'k3d-flotilla',
              local_port: 8000,
              pod: 'backend-7d9f8b6c54-x2x9p',
              state: 'open',
              problem: null,
            },
            {
              id: '2',
              target: 'service/postgres',
              context: 'k3d-flotilla',
              local_port: 15_432,
              pod: null,
              state: 'reconnecting',
              problem: null,
            },
          ],
        },
        '/cluster?view=forwards',
      );
      await expect(page.getByText('127.0.0.1:8000')).toBeVisible();
    },
  },
  {
    name: 'forward a port',
    open: async (open) => {
      const { page } = await openLive(open, { cluster_preview: FORWARD_PREVIEW }, '/cluster?view=forwards');
      await page.getByRole('button', { name: 'Forward', exact: true }).click();
      await expect(page.getByRole('dialog')).toContainText('through a pod that is ready');
    },
  },
  {
    name: 'no port forwards',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=forwards');
      await expect(page.getByText('No port is forwarded')).toBeVisible();
    },
  },
  {
    name: 'load and drill',
    open: async (open) => {
      const { page, shell } = await openLive(open, {}, '/cluster?view=trials');
      await page.getByRole('button', { name: 'Start 20 chats' }).click();
      await shell.send('cluster_load', {
        running: 20,
        started: 143,
        finished: 121,
        failed: 2,
        tokens: 8_204,
        tokens_per_second: 112.4,
        ttft_ms_p50: 640,
        ttft_ms_p95: 1_910,
        elapsed_ms: 73_000,
        done: false,
        failures: ['2 × 503: the queue is full; try again in 4 seconds.'],
      });
      await page.getByRole('button', { name: 'Kill a backend pod…' }).click();
      await page.getByRole('button', { name: 'Kill it' }).click();
      await shell.send('cluster_drill', {
        done: true,
        stage: 'Done: the pod was replaced.',
        killed_pod: 'backend-7d9f8b6c54-k8mfw',
        answers: 8,
        complete: 7,
        interrupted: 1,
        lost_characters: 212,
        unavailable_ms: 0,
        replaced_after_ms: 11_400,
        sentences: [
          'The service answered all the time.',
          'One answer was being written by the pod and ended after 212 characters; asking again brought all of it.',
        ],
      });
      await expect(page.getByText('The service answered all the time.')).toBeVisible();
    },
  },
  {
    name: 'load over the overview',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=trials');
      await page.getByRole('button', { name: 'Start 20 chats' }).click();
      await page.getByRole('tab', { name: 'Overview' }).click();
      await expect(page.getByRole('button', { name: 'Stop the load' })).toBeVisible();
    },
  },
  {
    name: 'take down',
    open: async (open) => {
      const { page } = await openLive(open, { cluster_teardown_preview: TEARDOWN }, '/cluster?view=deploy');
      await page.getByRole('button', { name: 'Take down…' }).click();
      await expect(page.getByText('data-postgres-0')).toBeVisible();
    },
  },
  {
    name: 'undo',
    open: async (open) => {
      const { page } = await openLive(open, { cluster_undo_preview: CHANGES }, '/cluster?view=deploy');
      await page.getByRole('button', { name: 'Undo…' }).click();
      await expect(page.getByRole('list', { name: 'Changes' })).toBeVisible();
    },
  },
  {
    name: 'unhealthy and reconnecting',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster', {
        healthy: false,
        connection: { state: 'reconnecting', reason: 'The API server at 127.0.0.1:6550 refused.', since: 0 },
      });
      await expect(page.getByText('does not answer', { exact: true })).toBeVisible();
    },
  },
  {
    name: 'unreachable cluster',
    open: async (open) => {
      const { page, shell } = await open();
      await shell.send('cluster_watch', {
        ...EMPTY(Date.now()),
        deployments: null,
        connection: {
          state: 'reconnecting',
          reason: 'Nothing listens on 127.0.0.1:6550. Start the k3d cluster below, or choose another one.',
          since: 0,
        },
      });
      await expect(page.getByRole('button', { name: 'Try now' })).toBeVisible();
    },
  },
  {
    name: 'connecting',
    open: async (open) => {
      const { page } = await open();
      await expect(page.getByText('Connecting to k3d-flotilla…')).toBeVisible();
    },
  },
  {
    name: 'nothing runs',
    open: async (open) => {
      const { page } = await openLive(open, {}, '/cluster?view=pods', {
        pods: [],
        events: [],
        samples: [],
        deployments: WORKLOADS.slice(0, 1).map((known) => ({ ...known, desired: 0, ready: 0 })),
      });
      await expect(page.getByText('No pods')).toBeVisible();
    },
  },
  {
    name: 'no kubeconfig',
    open: async (open) => {
      const { page } = await open({
        cluster_contexts: { ...CONTEXTS, contexts: [], chosen: null, problems: [] },
      });
      await page.getByRole('button', { name: /^Cluster: none/ }).click();
      await expect(page.getByText('No kubeconfig names a cluster.')).toBeVisible();
    },
  },
];

async function showPlan(open: Open, plan: unknown): Promise<void> {
  const { page } = await open({ cluster_contexts: NOTHING_CHOSEN, cluster_plan: plan });
  await expect(page.getByRole('list', { name: 'Steps' })).toBeVisible();
}

export async function openLive(
  open: Open,
  answers: Record<string, unknown> = {},
  address = '/cluster',
  part: Parameters<typeof live>[1] = {},
): Promise<Desktop> {
  const desktop = await open(answers, address);
  await desktop.shell.send('cluster_watch', live(Date.now(), part));
  await expect(desktop.page.getByRole('tablist')).toBeVisible();
  return desktop;
}

function logLines(now: number) {
  const names = pods(now)
    .filter(({ app }) => app === 'backend')
    .map(({ name }) => name);
  return Array.from({ length: 60 }, (_, index) => ({
    pod: names[index % names.length],
    container: 'backend',
    at: now - (60 - index) * 700,
    text:
      index % 5 === 4
        ? `WARN queue is filling waiting=${index % 9} limit=32`
        : `INFO answer finished request_id=01JD${index}K3 model=smollm2:135m tokens=${40 + index} ttft_ms=${300 + 7 * index} tokens_per_second=41.${index % 10}`,
  }));
}
