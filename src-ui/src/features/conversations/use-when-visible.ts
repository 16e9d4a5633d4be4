import { useCallback, useEffect, useRef, type RefCallback } from 'react';

/** Calls back each time the element scrolls into view. */
export function useWhenVisible(onVisible: () => void): RefCallback<HTMLElement> {
  const latest = useRef(onVisible);
  useEffect(() => {
    latest.current = onVisible;
  });
  return useCallback((element: HTMLElement | null) => {
    if (!element) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) latest.current();
      },
      { rootMargin: '300px' },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
}
