import { invoke } from '@tauri-apps/api/core';

import { ApiError } from '@/api/error';

import type { CommandError } from './generated/CommandError';
import type { Connection } from './generated/Connection';
import type { Platform } from './types';

/** The Tauri window: the shell knows the server's address and the token made at this launch. */
export const platform: Platform = {
  capabilities: { cluster: true, serverSwitch: true },
  connection: async () => {
    const { base_url, token } = await call<Connection>('connection');
    return { baseUrl: base_url, token };
  },
  serverChoice: {
    get: async () => (await call<Connection>('connection')).server,
    set: (url) => call('set_server', { url }),
  },
  openExternal: (url) => call('open_external', { url }),
};

/** Runs a command of the shell. Throws {@link ApiError} with words that can be shown. */
async function call<T>(command: string, args?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    const { kind, message } = error as CommandError;
    throw new ApiError(message, { code: kind });
  }
}
