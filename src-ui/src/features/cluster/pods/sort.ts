import type { Pod } from '@/platform/cluster-types';

import { cpuShare, podState } from './pod-look';

export type SortKey = 'name' | 'state' | 'restarts' | 'cpu' | 'memory' | 'node' | 'age';

export interface Sort {
  key: SortKey;
  descending: boolean;
}

type Rank = (pod: Pod) => string | number | null;

const RANKS: Record<SortKey, Rank> = {
  name: (pod) => pod.name,
  state: (pod) => podState(pod).word,
  restarts: (pod) => pod.restarts,
  cpu: (pod) => cpuShare(pod) ?? pod.cpu_millicores,
  memory: (pod) => pod.memory_bytes,
  node: (pod) => pod.node,
  // The younger is the smaller age.
  age: (pod) => -pod.created_at,
};

/** What is not known stands at the end in both directions; equals keep the order of their names. */
export function sortPods(pods: Iterable<Pod>, { key, descending }: Sort): Pod[] {
  const rank = RANKS[key];
  const direction = descending ? -1 : 1;
  return [...pods].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    if (left === null || right === null)
      return Number(left === null) - Number(right === null) || byName(a, b);
    return direction * compare(left, right) || byName(a, b);
  });
}

/** Pods whose name, node or reason holds all the words. */
export function matchingPods(pods: Iterable<Pod>, text: string): Pod[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return [...pods].filter((pod) => {
    const about = `${pod.name} ${pod.node ?? ''} ${pod.why ?? ''} ${podState(pod).word}`.toLowerCase();
    return words.every((word) => about.includes(word));
  });
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}

function byName(a: Pod, b: Pod): number {
  return a.name.localeCompare(b.name);
}
