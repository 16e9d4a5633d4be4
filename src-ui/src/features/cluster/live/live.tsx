import { createContext, useContext, useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';

import { LiveFeed } from './live-feed';
import type { LiveState } from './live-state';

const Feed = createContext<LiveFeed | null>(null);

interface LiveProps {
  /** Whether there is a cluster to follow. */
  wanted: boolean;
  children: ReactNode;
}

/** Follows the cluster for as long as it is on the page. A key that names the context starts anew with another one. */
export function Live({ wanted, children }: LiveProps) {
  const [feed] = useState(() => new LiveFeed());
  useEffect(() => (wanted ? feed.start() : undefined), [feed, wanted]);
  return <Feed value={feed}>{children}</Feed>;
}

/** Redraws only when the selected part changes, so select parts of the state and nothing made from them. */
export function useLive<T>(select: (state: LiveState) => T): T {
  const feed = useContext(Feed);
  if (!feed) throw new Error('useLive needs <Live> around it.');
  return useSyncExternalStore(feed.subscribe, () => select(feed.snapshot()));
}
