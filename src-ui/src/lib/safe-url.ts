const SAFE_PROTOCOLS = new Set(['http:', 'https:', 'mailto:']);

/** An absolute web or mail address, or `null` for everything else a model may have written. */
export function safeUrl(href: string | undefined): URL | null {
  if (!href || !URL.canParse(href)) return null;
  const url = new URL(href);
  return SAFE_PROTOCOLS.has(url.protocol) ? url : null;
}
