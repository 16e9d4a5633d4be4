import { afterDelay, nextFrame } from '@/lib/frame';

/** From here on a redraw costs enough that 30 of them a second look as smooth and leave time for typing. */
const LONG_TEXT = 6_000;
const LONG_TEXT_INTERVAL_MS = 33;

/** Calls back once, when a text of this length should next be drawn. Returns the cancellation. */
export function nextTextFrame(textLength: number, callback: () => void): () => void {
  if (textLength > LONG_TEXT && !document.hidden) return afterDelay(LONG_TEXT_INTERVAL_MS, callback);
  return nextFrame(callback);
}
