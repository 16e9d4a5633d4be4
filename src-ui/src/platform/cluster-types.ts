/**
 * The shapes that the cluster commands exchange. Every module imports them from here, so that the files ts-rs generates
 * from `flotilla-cluster` take their place in one line.
 */
import type { ErrorKind as ShellErrorKind } from './generated/ErrorKind';

export type ErrorKind =
  | ShellErrorKind
  | 'kubeconfig'
  | 'cluster_unreachable'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'needs_consent'
  | 'tool_missing'
  | 'tool_failed'
  | 'cancelled'
  | 'cluster_failed';

export interface CommandError {
  kind: ErrorKind;
  message: string;
  retryable: boolean;
}

export interface ContextId {
  file: string;
  name: string;
}

export interface Context {
  id: ContextId;
  cluster: string;
  user: string;
  namespace: string | null;
  server: string;
  /** current-context of the first file that names one */
  is_current: boolean;
  /** API server on loopback / host.docker.internal */
  is_local: boolean;
  /** "flotilla" for context k3d-flotilla */
  k3d_cluster: string | null;
  /** an exec or legacy auth-provider entry: not run before trusted */
  exec: ExecPlugin | null;
  /** why it cannot be used, in words */
  problem: string | null;
}

export interface ExecPlugin {
  command: string;
  arguments: string[];
  environment: string[];
  fingerprint: string;
  trusted: boolean;
}

export interface Contexts {
  contexts: Context[];
  chosen: ContextId | null;
  problems: { file: string; message: string }[];
}

export interface DeployOptions {
  target: { kind: 'k3d'; name: string; agents: number; http_port: number } | { kind: 'context' };
  overlay: 'k3d' | 'ollama-host';
  /** Built from the source tree, in the node already, or PREFIX/flotilla-backend:TAG. */
  images: { kind: 'build' } | { kind: 'present' } | { kind: 'registry'; prefix: string };
  /** for non-k3d targets: run as `COMMAND image…` after a build (the lab's `cluster load`) */
  load_command: string | null;
  /** the address to probe and open, http://localhost:PORT for k3d */
  url: string;
}

export type StepId = 'preflight' | 'cluster' | 'images' | 'diff' | 'apply' | 'rollout' | 'probe';
export interface Step {
  id: StepId;
  title: string;
  status: 'pending' | 'running' | 'waiting' | 'done' | 'skipped' | 'failed';
  started_at: number | null;
  finished_at: number | null;
  progress: { done: number; total: number | null; unit: 'bytes' | 'objects' | 'pods' } | null;
  /** one line: what is happening, or why it waits */
  detail: string | null;
  /** the equivalent k3d / docker / kubectl line(s), copyable */
  command: string;
  error: CommandError | null;
}

export interface Check {
  name: string;
  status: 'ok' | 'warning' | 'failed';
  message: string;
}

export interface Change {
  kind: string;
  name: string;
  namespace: string | null;
  action: 'create' | 'change' | 'same';
  diff: string | null;
  conflict: string | null;
}

export interface Plan {
  id: string;
  context: string | null;
  options: DeployOptions;
  status: 'running' | 'waiting' | 'done' | 'failed' | 'cancelled';
  /** consent: look at changes; conflicts need the second consent */
  waiting_for: 'apply' | 'force' | null;
  steps: Step[];
  checks: Check[];
  changes: Change[];
  log: string[];
  url: string | null;
  started_at: number;
  finished_at: number | null;
}

export interface Teardown {
  remove: ObjectRef[];
  keep: { object: ObjectRef; why: string }[];
  commands: string[];
}

export interface ObjectRef {
  kind: string;
  name: string;
  namespace: string | null;
}

export interface LiveUpdate {
  /** forget everything known before */
  reset: boolean;
  connection: { state: 'connecting' | 'live' | 'reconnecting'; reason: string | null; since: number };
  /** upserts by uid, removed uids */
  pods: Pod[];
  gone_pods: string[];
  /** whole, or null = unchanged */
  deployments: Workload[] | null;
  autoscalers: Autoscaler[] | null;
  /** new ones, oldest first (on reset: what the store kept, newest 500) */
  events: ClusterEvent[];
  /** new ones, oldest first (on reset: the ring, newest 5,760 = one day) */
  samples: Sample[];
  /** probe of the deployed URL's /health */
  url: string | null;
  healthy: boolean | null;
}

export interface Pod {
  uid: string;
  name: string;
  namespace: string;
  app: string;
  phase: string;
  ready: boolean;
  ready_containers: number;
  containers: number;
  restarts: number;
  node: string | null;
  image: string;
  created_at: number;
  deleting: boolean;
  why: string | null;
  cpu_millicores: number | null;
  memory_bytes: number | null;
  cpu_request_millicores: number | null;
}

export interface Workload {
  kind: 'Deployment' | 'StatefulSet';
  name: string;
  namespace: string;
  desired: number;
  current: number;
  updated: number;
  ready: number;
  available: number;
  why: string | null;
  autoscaler: string | null;
}

export interface Autoscaler {
  name: string;
  namespace: string;
  target: string;
  min: number;
  max: number;
  current: number;
  desired: number;
  metrics: { name: string; current: number | null; target: number; unit: 'percent' | 'value' }[];
  conditions: { type: string; status: boolean; reason: string; message: string }[];
  last_scaled_at: number | null;
  explanation: string[];
}

export interface ClusterEvent {
  uid: string;
  at: number;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  object: string;
  count: number;
}
/** every 15 s; joined on one time axis */
export interface Sample {
  at: number;
  desired: number | null;
  current: number | null;
  ready: number | null;
  min: number | null;
  max: number | null;
  /** first HPA metric, in its unit */
  metric: number | null;
  target: number | null;
  /** from the backends' /metrics */
  tokens_per_second: number | null;
  ttft_ms: number | null;
  queue_depth: number | null;
  in_flight: number | null;
}

export interface LogQuery {
  app: string | null;
  pod: string | null;
  previous: boolean;
  follow: boolean;
  filter: string | null;
  tail: number;
}

export interface LogLine {
  pod: string;
  container: string;
  at: number | null;
  text: string;
}

export type Action =
  | { kind: 'scale'; deployment: string; replicas: number }
  | { kind: 'restart'; deployment: string }
  | { kind: 'delete_pod'; pod: string };
export interface Preview {
  allowed: boolean;
  sentences: string[];
  warning: string | null;
  command: string;
}

export interface Forward {
  id: string;
  target: string;
  local_port: number;
  pod: string | null;
  state: 'connecting' | 'open' | 'reconnecting';
}

export interface LoadOptions {
  url: string;
  chats: number;
  seconds: number;
  model: string | null;
}

export interface LoadUpdate {
  running: number;
  started: number;
  finished: number;
  failed: number;
  tokens: number;
  tokens_per_second: number;
  ttft_ms_p50: number | null;
  ttft_ms_p95: number | null;
  elapsed_ms: number;
  done: boolean;
  failures: string[];
}

export interface DrillOptions {
  url: string;
  app: 'backend' | 'frontend';
  chats: number;
}

export interface DrillReport {
  done: boolean;
  stage: string;
  killed_pod: string | null;
  answers: number;
  complete: number;
  interrupted: number;
  lost_characters: number;
  unavailable_ms: number | null;
  replaced_after_ms: number | null;
  sentences: string[];
}
