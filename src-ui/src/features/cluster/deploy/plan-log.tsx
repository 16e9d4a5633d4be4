import { ChevronRight } from 'lucide-react';
import { useLayoutEffect, useRef } from 'react';

import { CopyButton } from '@/components/copy-button';

/** What the tools said, newest last; follows the end while the reader is there. */
export function PlanLog({ lines }: { lines: readonly string[] }) {
  return (
    <details className="rounded-xl border border-line">
      <summary className="flex min-h-10 cursor-pointer list-none items-center gap-2 rounded-xl px-3 text-sm hover:bg-hover focus-visible:-outline-offset-2">
        <ChevronRight
          className="size-3.5 shrink-0 text-muted transition-transform duration-150 [details[open]>summary>&]:rotate-90"
          aria-hidden="true"
        />
        Details
        <span className="min-w-0 flex-1 truncate font-mono text-xs text-muted [details[open]>summary>&]:invisible">
          {lines.at(-1)}
        </span>
      </summary>
      <LogText lines={lines} />
    </details>
  );
}

const NEAR_END = 40;

function LogText({ lines }: { lines: readonly string[] }) {
  const scroller = useRef<HTMLPreElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && following.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  const text = lines.join('\n');
  return (
    <div className="relative border-t border-line">
      <pre
        ref={scroller}
        tabIndex={0}
        aria-label="Log of the deploy"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          following.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
        }}
        className="max-h-72 overflow-auto rounded-b-xl bg-sunken px-3 py-2 font-mono text-xs leading-5 focus-visible:-outline-offset-2"
      >
        {text || 'Nothing was said yet.'}
      </pre>
      <div className="absolute top-1 right-2 rounded-lg bg-sunken">
        <CopyButton text={text} label="Copy the log" />
      </div>
    </div>
  );
}
