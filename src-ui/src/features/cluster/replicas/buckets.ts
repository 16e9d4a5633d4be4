import type { Sample } from '@/platform/cluster-types';

import { QUANTITIES } from './series';

/** As many rows as a person can read through. */
const MAX_ROWS = 60;

/** The samples since `from`, thinned evenly to rows: the last of each stretch, newest first. */
export function tableRows(samples: readonly Sample[], from: number, to: number): Sample[] {
  const width = (to - from) / MAX_ROWS;
  const rows = new Map<number, Sample>();
  for (const sample of samples) {
    if (sample.at < from || QUANTITIES.every((quantity) => sample[quantity] === null)) continue;
    rows.set(Math.min(MAX_ROWS - 1, Math.floor((sample.at - from) / width)), sample);
  }
  return [...rows.values()].reverse();
}
