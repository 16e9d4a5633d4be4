import { useState } from 'react';

/** Turning by this angle puts each next hue far from all before it. */
const GOLDEN_ANGLE = 137.508;
const FIRST_HUE = 222;

/** A colour for each pod, in the order in which they are first seen; it stays for as long as the view does. */
export function usePodColors(): (pod: string) => string {
  const [order] = useState(() => new Map<string, number>());
  return (pod) => {
    let index = order.get(pod);
    if (index === undefined) order.set(pod, (index = order.size));
    return `oklch(var(--trace) ${((FIRST_HUE + index * GOLDEN_ANGLE) % 360).toFixed(1)})`;
  };
}
