import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import { useLayoutEffect, useRef, useState, type UIEvent } from 'react';

import { Button } from '@/components/ui/button';
import { formatClock } from '@/lib/format';

import { shortName } from '../pods/pod-look';
import type { NumberedLine } from './log-feed';
import { usePodColors } from './pod-hue';

const LINE_HEIGHT = 20;
const NEAR_END = 60;

interface LogLinesProps {
  lines: readonly NumberedLine[];
  /** Set apart where it stands in a line. */
  filter: string;
}

/** Follows the end while the reader is there. */
export function LogLines({ lines, filter }: LogLinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [awayFromEnd, setAwayFromEnd] = useState(false);
  const colorOf = usePodColors();
  // eslint-disable-next-line react-hooks/incompatible-library -- the React compiler is not used
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => lines[index]?.number ?? index,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
    paddingStart: 8,
    paddingEnd: 12,
  });
  // Lines that come in, or turn out taller than estimated, only ever lead down; who scrolls up leaves the end.
  const following = useRef(true);
  const lastTop = useRef(0);
  const height = virtualizer.getTotalSize();
  // After every drawing, since measuring the lines draws again and may move the end once more.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!following.current || !element) return;
    element.scrollTop = element.scrollHeight;
    const frame = requestAnimationFrame(() => {
      if (following.current) element.scrollTop = element.scrollHeight;
    });
    return () => cancelAnimationFrame(frame);
  });
  const onScroll = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: UIEvent) => {
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) following.current = true;
    else if (scrollTop < lastTop.current) following.current = false;
    lastTop.current = scrollTop;
    setAwayFromEnd(!following.current);
  };

  const rows = virtualizer.getVirtualItems();
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label="Log lines"
        tabIndex={0}
        onScroll={onScroll}
        className="h-full overflow-y-auto overscroll-contain [contain:strict] focus-visible:-outline-offset-2"
      >
        <div className="relative w-full" style={{ height }}>
          <div
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}
          >
            {rows.map(({ index, key }) => {
              const line = lines[index];
              return (
                line && (
                  <div key={key} data-index={index} ref={virtualizer.measureElement}>
                    <LogRow line={line} color={colorOf(line.pod)} filter={filter} />
                  </div>
                )
              );
            })}
          </div>
        </div>
      </div>
      {awayFromEnd && (
        <Button
          size="sm"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 animate-arrive rounded-full shadow-pop"
          onClick={() => virtualizer.scrollToEnd()}
        >
          <ArrowDown />
          Jump to latest
        </Button>
      )}
    </div>
  );
}

function LogRow({ line, color, filter }: { line: NumberedLine; color: string; filter: string }) {
  return (
    <p className="flex gap-x-3 px-3 font-mono text-xs leading-5 hover:bg-hover max-sm:flex-wrap sm:px-6">
      <span className="shrink-0 text-muted tabular">{line.at === null ? '' : formatClock(line.at)}</span>
      <span
        className="shrink-0 truncate font-medium sm:w-32"
        style={{ color }}
        title={`${line.pod}, ${line.container}`}
      >
        {shortName(line.pod)}
      </span>
      <span className="min-w-0 flex-1 [overflow-wrap:anywhere] whitespace-pre-wrap max-sm:basis-full">
        <Marked text={line.text} part={filter} />
      </span>
    </p>
  );
}

function Marked({ text, part }: { text: string; part: string }) {
  if (part === '' || !text.includes(part)) return text;
  return text.split(part).map((piece, index) => (
    <span key={index}>
      {index > 0 && <mark className="rounded-sm bg-mark text-ink">{part}</mark>}
      {piece}
    </span>
  ));
}
