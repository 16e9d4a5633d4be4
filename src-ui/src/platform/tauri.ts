import type { Connection } from './generated/Connection';
import { call } from './tauri-call';
import { cluster } from './tauri-cluster';
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
  cluster,
  openExternal: (url) => call('open_external', { url }),
};
