import { keepAccessToken } from '@/api/access-token';

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
  // The shell's own port reads `authorization`, and passes this one on to the server elsewhere in its place.
  accessTokenHeader: 'x-server-authorization',
  serverChoice: {
    get: async () => (await call<Connection>('connection')).server,
    set: async (url) => {
      await call('set_server', { url });
      // It was the token of the server before.
      keepAccessToken(null);
    },
  },
  cluster,
  openExternal: (url) => call('open_external', { url }),
};
