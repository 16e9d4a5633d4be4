import { useEffect, useState } from 'react';

/** The time, told again at this interval while it is wanted; for timers and ages on the page. */
export function useNow(interval: number, wanted = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!wanted) return;
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval, wanted]);
  return now;
}
