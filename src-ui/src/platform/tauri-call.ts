import { invoke } from '@tauri-apps/api/core';

import { ApiError } from '@/api/error';

import type { ClusterError } from './cluster-types';
import type { CommandError } from './generated/CommandError';

/** Runs a command of the shell. Throws {@link ApiError} with words that can be shown. */
export async function call<T>(command: string, args?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    const { kind, message } = error as CommandError | ClusterError;
    throw new ApiError(message, { code: kind });
  }
}
