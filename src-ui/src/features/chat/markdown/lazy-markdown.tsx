import { lazy, Suspense, useState } from 'react';

import type Markdown from './markdown';

/** Known once it was fetched. */
let fetched: typeof Markdown | null = null;

async function load() {
  const module = await import('./markdown');
  fetched = module.default;
  return module;
}

const Awaited = lazy(load);

/** Fetches the renderer ahead of the first answer. */
export function preloadMarkdown(): void {
  // A failed fetch is tried again, and reported, when there is something to draw.
  load().catch(() => undefined);
}

export function LazyMarkdown({ text, streaming }: { text: string; streaming: boolean }) {
  // React shows a fallback for 300 ms at least, and `lazy` one even for what is there. An answer keeps the kind that it began
  // with: the other would be drawn anew.
  const [Renderer] = useState(() => fetched ?? Awaited);
  return (
    <Suspense fallback={<div className="markdown whitespace-pre-wrap">{text}</div>}>
      <Renderer text={text} streaming={streaming} />
    </Suspense>
  );
}
