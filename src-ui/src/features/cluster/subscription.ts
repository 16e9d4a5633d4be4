import type { Stop } from '@/platform';

/**
 * Owns a subscription from the first call on: `Stop` works while it is still being started, and nothing is told after
 * it. A subscription that cannot be started says why.
 */
export function own(start: (live: () => boolean) => Promise<Stop>, onFailed: (error: unknown) => void): Stop {
  let stopped = false;
  let stop: Stop | null = null;
  start(() => !stopped).then(
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
