import type { ApiError } from '@/api/error';

import type {
  Action,
  Change,
  Contexts,
  ContextId,
  DeployOptions,
  DrillOptions,
  DrillReport,
  Forward,
  Limits,
  LiveUpdate,
  LoadOptions,
  LoadUpdate,
  LogLine,
  LogQuery,
  ObjectRef,
  Plan,
  Preview,
  Teardown,
} from './cluster-types';

/** Ends a subscription; what it was told about stops with it. */
export type Stop = () => void;

/** Hears that a subscription has ended by itself, and why when it could not go on. */
export type OnEnd = (error: ApiError | null) => void;

/**
 * What the cluster panel can ask for. Every method rejects with an `ApiError` whose words can be shown; subscriptions
 * call back until they are stopped.
 */
export interface ClusterPlatform {
  contexts(): Promise<Contexts>;
  /** Lets the user pick a file. Nothing changes when they cancel. */
  addKubeconfig(): Promise<Contexts>;
  choose(context: ContextId | null): Promise<Contexts>;
  /** Agrees to run exactly the command that this fingerprint stands for. */
  trust(context: ContextId, fingerprint: string): Promise<Contexts>;

  defaultOptions(): Promise<DeployOptions>;
  /** The latest plan, also one of an earlier start of the app. */
  plan(): Promise<Plan | null>;
  deploy(options: DeployOptions, onUpdate: (plan: Plan) => void): Promise<Plan>;
  /** Goes on where a plan stopped, or follows the one that runs. */
  resume(onUpdate: (plan: Plan) => void): Promise<Plan>;
  consent(consent: 'apply' | 'force' | 'refuse'): Promise<void>;
  cancel(): Promise<void>;

  teardownPreview(): Promise<Teardown>;
  teardown(): Promise<void>;
  undoPreview(): Promise<Change[]>;
  undo(): Promise<void>;
  k3dStop(name: string): Promise<void>;
  k3dStart(name: string): Promise<void>;

  watch(onUpdate: (update: LiveUpdate) => void, onEnd: OnEnd): Promise<Stop>;
  logs(query: LogQuery, onLines: (lines: LogLine[]) => void, onEnd: OnEnd): Promise<Stop>;
  yaml(object: ObjectRef): Promise<string>;
  preview(action: Action): Promise<Preview>;
  act(action: Action): Promise<void>;

  /** The most that a load and a drill take. */
  limits(): Promise<Limits>;

  forwards(): Promise<Forward[]>;
  stopForward(id: string): Promise<void>;

  load(options: LoadOptions, onUpdate: (update: LoadUpdate) => void, onEnd: OnEnd): Promise<Stop>;
  drill(options: DrillOptions, onUpdate: (report: DrillReport) => void, onEnd: OnEnd): Promise<Stop>;
}
