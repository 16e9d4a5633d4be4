import { lazy, Suspense } from 'react';

const load = () => import('./markdown');
const Markdown = lazy(load);

/** Fetches the renderer ahead of the first answer. */
export function preloadMarkdown(): void {
  // A failed fetch is tried again, and reported, when there is something to draw.
  load().catch(() => undefined);
}

export function LazyMarkdown({ text, streaming }: { text: string; streaming: boolean }) {
  return (
    <Suspense fallback={<div className="markdown whitespace-pre-wrap">{text}</div>}>
      <Markdown text={text} streaming={streaming} />
    </Suspense>
  );
}
