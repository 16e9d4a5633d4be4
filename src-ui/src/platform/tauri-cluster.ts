import { Channel } from '@tauri-apps/api/core';

import type { ClusterPlatform, Stop } from './cluster';
import { call } from './tauri-call';

/** The cluster commands of the shell; streams come through Channels. */
export const cluster: ClusterPlatform = {
  contexts: () => call('cluster_contexts'),
  addKubeconfig: () => call('cluster_add_kubeconfig'),
  choose: (context) => call('cluster_choose', { context }),
  trust: (context, fingerprint) => call('cluster_trust', { context, fingerprint }),

  defaultOptions: () => call('cluster_default_options'),
  plan: () => call('cluster_plan'),
  deploy: (options, onUpdate) => call('cluster_deploy', { options, onUpdate: new Channel(onUpdate) }),
  resume: (onUpdate) => call('cluster_resume', { onUpdate: new Channel(onUpdate) }),
  consent: (consent) => call('cluster_consent', { consent }),
  cancel: () => call('cluster_cancel'),

  teardownPreview: () => call('cluster_teardown_preview'),
  teardown: () => call('cluster_teardown'),
  undoPreview: () => call('cluster_undo_preview'),
  undo: () => call('cluster_undo'),
  k3dStop: (name) => call('cluster_k3d_stop', { name }),
  k3dStart: (name) => call('cluster_k3d_start', { name }),

  watch: (onUpdate) => subscription('cluster_watch', { onUpdate: new Channel(onUpdate) }),
  logs: (query, onLines) => subscription('cluster_logs', { query, onLines: new Channel(onLines) }),
  yaml: (object) => call('cluster_yaml', { object }),
  preview: (action) => call('cluster_preview', { action }),
  act: (action) => call('cluster_act', { action }),

  forward: (service, port) => call('cluster_forward', { service, port }),
  forwards: () => call('cluster_forwards'),
  stopForward: (id) => call('cluster_forward_stop', { id }),

  load: (options, onUpdate) => subscription('cluster_load', { options, onUpdate: new Channel(onUpdate) }),
  drill: (options, onUpdate) => subscription('cluster_drill', { options, onUpdate: new Channel(onUpdate) }),
};

/** Starts a subscription. What was sent before it hears of the stop may still arrive. */
async function subscription(command: string, args: Record<string, unknown>): Promise<Stop> {
  const id = await call<string>(command, args);
  return () => {
    // It fails only for a subscription that has ended by itself.
    call('cluster_unsubscribe', { id }).catch(() => undefined);
  };
}
