import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import { memo, useEffect, useLayoutEffect, useRef, useState } from 'react';

import { Button } from '@/components/ui/button';
import { cn } from '@/lib/cn';

import { AssistantMessage } from './messages/assistant-message';
import { UnsentMessage } from './messages/unsent-message';
import { UserMessage } from './messages/user-message';
import { itemId, type ThreadItem } from './thread-items';

/** Shorter threads are drawn whole, so that the browser's own find works in them. */
const VIRTUAL_FROM = 100;
const OVERSCAN = 4;
const ESTIMATED_HEIGHT = 160;
/** How far from the bottom still counts as reading the end, in pixels. */
const NEAR_END = 80;

interface ThreadProps {
  items: ThreadItem[];
  /** A message to scroll to and point out. */
  target: string | null;
}

/** The messages of the visible branch. Follows the end while the reader is there, and only then. */
export const Thread = memo(function Thread({ items, target }: ThreadProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [awayFromEnd, setAwayFromEnd] = useState(false);
  const targetIndex = target === null ? -1 : items.findIndex((item) => itemId(item) === target);
  // eslint-disable-next-line react-hooks/incompatible-library -- the React compiler is not used
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => idAt(items, index),
    estimateSize: () => ESTIMATED_HEIGHT,
    // Without it the beginning is drawn first, for nothing.
    initialOffset: () => (targetIndex === -1 ? items.length : targetIndex) * ESTIMATED_HEIGHT,
    overscan: items.length < VIRTUAL_FROM ? VIRTUAL_FROM : OVERSCAN,
    paddingStart: 28,
    paddingEnd: 28,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: NEAR_END,
    onChange: (instance) => setAwayFromEnd(!instance.isAtEnd(NEAR_END)),
  });

  const lastId = idAt(items, items.length - 1);
  const unsentId = items.at(-1)?.kind === 'unsent' ? lastId : null;

  // Open at the end, and go there when the reader sends something.
  useLayoutEffect(() => {
    if (targetIndex === -1) virtualizer.scrollToEnd();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only a new prompt moves the reader, not a jump that ended
  }, [virtualizer, unsentId]);

  useEffect(() => {
    if (targetIndex !== -1) virtualizer.scrollToIndex(targetIndex, { align: 'center' });
  }, [virtualizer, targetIndex]);

  const rows = virtualizer.getVirtualItems();
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabIndex={0}
        className="h-full overflow-y-auto overscroll-contain [contain:strict] focus-visible:-outline-offset-2"
      >
        <div className="relative w-full" style={{ height: virtualizer.getTotalSize() }}>
          <div
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}
          >
            {rows.map(({ index, key }) => {
              const item = items[index];
              return (
                item && (
                  <div
                    key={key}
                    data-index={index}
                    ref={virtualizer.measureElement}
                    className={cn('px-4 sm:px-6', isQuestion(item) ? 'pb-1' : 'pb-8')}
                  >
                    <Row item={item} latest={index === items.length - 1} pointedOut={index === targetIndex} />
                  </div>
                )
              );
            })}
          </div>
        </div>
      </div>
      <div className="pointer-events-none absolute inset-x-0 bottom-0 h-5 bg-linear-to-t from-canvas to-transparent" />
      {awayFromEnd && (
        <Button
          size="sm"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 animate-arrive rounded-full shadow-pop"
          onClick={() => virtualizer.scrollToEnd({ behavior: 'smooth' })}
        >
          <ArrowDown />
          Jump to latest
        </Button>
      )}
    </div>
  );
});

interface RowProps {
  item: ThreadItem;
  latest: boolean;
  pointedOut: boolean;
}

const Row = memo(function Row({ item, latest, pointedOut }: RowProps) {
  const headingId = `heading-${itemId(item)}`;
  const answer = item.kind === 'message' && item.node.message.role === 'assistant';
  return (
    <article
      aria-labelledby={headingId}
      tabIndex={-1}
      data-role={answer ? 'assistant' : 'user'}
      className={cn(
        'group/message mx-auto max-w-[46rem] scroll-m-8 rounded-2xl',
        pointedOut && '-mx-3 animate-flash px-3 py-2 sm:mx-auto',
      )}
    >
      <h2 id={headingId} className="sr-only">
        {answer ? `Answer by ${item.node.message.model ?? 'the model'}` : 'You'}
      </h2>
      <RowContent item={item} latest={latest} />
    </article>
  );
}, sameRow);

function RowContent({ item, latest }: Omit<RowProps, 'pointedOut'>) {
  if (item.kind === 'unsent') return <UnsentMessage unsent={item.unsent} />;
  if (item.node.message.role === 'user') return <UserMessage node={item.node} />;
  return <AssistantMessage node={item.node} latest={latest} />;
}

/** Items are made anew with every change of the thread; a row draws again only when its own message changed. */
function sameRow(before: RowProps, after: RowProps): boolean {
  if (before.latest !== after.latest || before.pointedOut !== after.pointedOut) return false;
  if (before.item.kind === 'message' && after.item.kind === 'message') {
    const [a, b] = [before.item.node, after.item.node];
    return a.message === b.message && a.siblings.join() === b.siblings.join();
  }
  return (
    before.item.kind === 'unsent' && after.item.kind === 'unsent' && before.item.unsent === after.item.unsent
  );
}

/** A question stands close to its answer. */
const isQuestion = (item: ThreadItem) => item.kind === 'message' && item.node.message.role === 'user';

function idAt(items: ThreadItem[], index: number): string {
  const item = items[index];
  return item ? itemId(item) : '';
}
