import type { Line } from './charts';

/** A canvas knows no custom properties, so they are read when it paints; that follows the theme. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function strokeOf({ hue }: Line, alpha = 1): string {
  if (hue === 'limit') return token('muted');
  if (hue === 'ink') return token('ink');
  return `oklch(${token('trace')} ${hue} / ${alpha})`;
}

/** The same colour for elements, where the browser looks the custom property up. */
export function cssColor({ hue }: Line): string {
  if (hue === 'limit') return 'var(--muted)';
  if (hue === 'ink') return 'var(--ink)';
  return `oklch(var(--trace) ${hue})`;
}

/** Calls back when the page changes between light and dark. Returns the end of it. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}
