import type { OnEnd, Stop } from '@/platform';

/**
 * Owns a subscription from the first call on: `Stop` works while it is still being started, and nothing is told after
 * it. A subscription that cannot be started or go on says why.
 */
export function own(
  start: (live: () => boolean, onEnd: OnEnd) => Promise<Stop>,
  onFailed: (error: unknown) => void,
): Stop {
  let stopped = false;
  let stop: Stop | null = null;
  const onEnd: OnEnd = (error) => {
    if (!stopped && error !== null) onFailed(error);
  };
  start(() => !stopped, onEnd).then(
    (started) => {
      if (stopped) started();
      else stop = started;
    },
    (error: unknown) => {
      if (!stopped) onFailed(error);
    },
  );
  return () => {
    stopped = true;
    stop?.();
  };
}
