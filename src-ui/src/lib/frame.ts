/** Hidden pages get no frames, but their title and status still have to move on. */
const HIDDEN_INTERVAL_MS = 250;

/** Calls back once, when the page is next drawn. Returns the cancellation. */
export function nextFrame(callback: () => void): () => void {
  if (document.hidden) return afterDelay(HIDDEN_INTERVAL_MS, callback);
  const frame = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(frame);
}

export function afterDelay(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}
