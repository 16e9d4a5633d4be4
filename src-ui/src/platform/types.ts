import type { ClusterPlatform } from './cluster';

/** What the app needs from the place it runs in. Features ask for capabilities, never for the place itself. */
export interface Platform {
  capabilities: Capabilities;
  /** Where the API answers. Called once per page load. */
  connection(): Promise<Connection>;
  /** The header in which the API reads the token that its user has entered. */
  accessTokenHeader: string;
  /** The server this app talks to; `null` is this computer. Only with `capabilities.serverSwitch`. */
  serverChoice: {
    get(): Promise<string | null>;
    /** Takes effect when the page is loaded again. */
    set(url: string | null): Promise<void>;
  };
  /** `null` without `capabilities.cluster`. */
  cluster: ClusterPlatform | null;
  /** Opens an `http:`, `https:` or `mailto:` address outside the app. */
  openExternal(url: string): Promise<void>;
}

export interface Capabilities {
  /** Can manage a Kubernetes cluster. */
  cluster: boolean;
  /** Can choose between this computer and another server. */
  serverSwitch: boolean;
}

export interface Connection {
  /** Without a trailing slash; empty when the page and the API share an origin. */
  baseUrl: string;
  /** Sent as a bearer token; `null` when this place makes none of its own. */
  token: string | null;
}
