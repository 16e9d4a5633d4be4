import { cn } from '@/lib/cn';

import { useLive } from './live/live';

const LOOKS = {
  live: { word: 'live', dot: 'bg-good' },
  connecting: { word: 'connecting', dot: 'bg-line-strong' },
  reconnecting: { word: 'reconnecting', dot: 'bg-warning' },
} as const;

/** Whether what is on the page is how things are now. */
export function ConnectionStatus() {
  const { state, reason } = useLive((live) => live.connection);
  const problem = useLive((live) => live.problem);
  const { word, dot } = problem === null ? LOOKS[state] : { word: 'not connected', dot: 'bg-danger' };
  return (
    <p
      role="status"
      title={problem ?? reason ?? undefined}
      className="flex shrink-0 items-center gap-1.5 text-xs text-muted"
    >
      <span className={cn('size-2 rounded-full', dot)} aria-hidden="true" />
      {word}
    </p>
  );
}
