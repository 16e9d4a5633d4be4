import { formatOrdinal } from '@/lib/format';

import type { RunState } from '../stream/run-state';

/** What stands beside an answer that is not complete yet. Once it has begun, its text says enough. */
export function progress(run: RunState | null, begun: boolean): string {
  if (run?.phase === 'running' && run.link === 'reconnecting') return 'Reconnecting…';
  if (begun) return '';
  if (run?.phase === 'running' && run.position !== null)
    return `Waiting, ${formatOrdinal(run.position)} in line…`;
  return 'Thinking…';
}
