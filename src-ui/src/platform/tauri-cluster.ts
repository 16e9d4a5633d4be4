import { Channel } from '@tauri-apps/api/core';

import { ApiError } from '@/api/error';

import type { ClusterPlatform, OnEnd, Stop } from './cluster';
import type { StreamMessage } from './cluster-types';
import { call } from './tauri-call';

/** The cluster commands of the shell; streams come through Channels. */
export const cluster: ClusterPlatform = {
  contexts: () => call('cluster_contexts'),
  addKubeconfig: () => call('cluster_add_kubeconfig'),
  choose: (context) => call('cluster_choose', { context }),
  trust: (context, fingerprint) => call('cluster_trust', { context, fingerprint }),

  defaultOptions: () => call('cluster_default_options'),
  plan: () => call('cluster_plan'),
  deploy: (options, onUpdate) => call('cluster_deploy', { options, onUpdate: stream(onUpdate) }),
  resume: (onUpdate) => call('cluster_resume', { onUpdate: stream(onUpdate) }),
  consent: (consent) => call('cluster_consent', { consent }),
  cancel: () => call('cluster_cancel'),

  teardownPreview: () => call('cluster_teardown_preview'),
  teardown: () => call('cluster_teardown'),
  undoPreview: () => call('cluster_undo_preview'),
  undo: () => call('cluster_undo'),
  k3dStop: (name) => call('cluster_k3d_stop', { name }),
  k3dStart: (name) => call('cluster_k3d_start', { name }),

  watch: (onUpdate, onEnd) => subscription('cluster_watch', { onUpdate: stream(onUpdate, onEnd) }),
  logs: (query, onLines, onEnd) => subscription('cluster_logs', { query, onLines: stream(onLines, onEnd) }),
  yaml: (object) => call('cluster_yaml', { object }),
  preview: (action) => call('cluster_preview', { action }),
  act: (action) => call('cluster_act', { action }),

  limits: () => call('cluster_limits'),

  forwards: () => call('cluster_forwards'),
  stopForward: (id) => call('cluster_forward_stop', { id }),

  load: (options, onUpdate, onEnd) =>
    subscription('cluster_load', { options, onUpdate: stream(onUpdate, onEnd) }),
  drill: (options, onUpdate, onEnd) =>
    subscription('cluster_drill', { options, onUpdate: stream(onUpdate, onEnd) }),
};

function stream<T>(onUpdate: (value: T) => void, onEnd?: OnEnd): Channel<StreamMessage<T>> {
  return new Channel((message) => {
    if (message.type === 'update') onUpdate(message.value);
    else onEnd?.(message.error && new ApiError(message.error.message, { code: message.error.kind }));
  });
}

/** Starts a subscription. What was sent before it hears of the stop may still arrive. */
async function subscription(command: string, args: Record<string, unknown>): Promise<Stop> {
  const id = await call<string>(command, args);
  return () => {
    // It fails only for a subscription that has ended by itself.
    call('cluster_unsubscribe', { id }).catch(() => undefined);
  };
}
