import type { Platform } from './types';

/** A browser tab: the API lives on the page's own origin. */
export const platform: Platform = {
  capabilities: { cluster: false, serverSwitch: false },
  connection: () => Promise.resolve({ baseUrl: '', token: null }),
  accessTokenHeader: 'authorization',
  serverChoice: {
    get: () => Promise.resolve(null),
    set: () => Promise.reject(new Error('A browser tab cannot switch servers.')),
  },
  cluster: null,
  openExternal: (url) => {
    window.open(url, '_blank', 'noopener,noreferrer');
    return Promise.resolve();
  },
};
