/** From here on a redraw costs enough that 30 of them a second look as smooth and leave time for typing. */
const LONG_TEXT = 6_000;
const LONG_TEXT_INTERVAL_MS = 33;
/** Hidden pages get no frames, but their title and status still have to move on. */
const HIDDEN_INTERVAL_MS = 250;

/** Calls back once, when a text of this length should next be drawn. Returns the cancellation. */
export function nextFrame(textLength: number, callback: () => void): () => void {
  if (document.hidden) return afterDelay(HIDDEN_INTERVAL_MS, callback);
  if (textLength > LONG_TEXT) return afterDelay(LONG_TEXT_INTERVAL_MS, callback);
  const frame = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(frame);
}

function afterDelay(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}
