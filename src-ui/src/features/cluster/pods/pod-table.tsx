import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { useCallback, useRef, useState, type KeyboardEvent } from 'react';

import { cn } from '@/lib/cn';
import type { Pod } from '@/platform/cluster-types';

import { useNow } from '../parts/use-now';
import { COLUMNS, GRID } from './columns';
import type { PodAction } from './pod-actions';
import { PodRow } from './pod-row';
import type { Sort, SortKey } from './sort';

const ROW_HEIGHT = 48;
const PAGE = 10;
const AGE_MS = 30_000;

interface PodTableProps {
  /** In the order in which they are shown. */
  pods: readonly Pod[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  onAction: (pod: Pod, action: PodAction) => void;
}

/** Only the rows in sight are drawn. The arrow keys walk the rows, Enter opens one, Tab reaches its actions. */
export function PodTable({ pods, sort, onSort, onAction }: PodTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const now = useNow(AGE_MS);
  const [activeUid, setActiveUid] = useState<string | null>(null);
  // A row takes the focus only when a key led there, not when the table is drawn again.
  const [walking, setWalking] = useState(false);
  const active = Math.max(
    0,
    pods.findIndex(({ uid }) => uid === activeUid),
  );
  // eslint-disable-next-line react-hooks/incompatible-library -- the React compiler is not used
  const virtualizer = useVirtualizer({
    count: pods.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => pods[index]?.uid ?? index,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  });

  const walk = (event: KeyboardEvent) => {
    const next = nextRow(event.key, active, pods.length - 1);
    const pod = next === null ? undefined : pods[next];
    if (next === null || !pod) return;
    event.preventDefault();
    setActiveUid(pod.uid);
    setWalking(true);
    virtualizer.scrollToIndex(next);
  };
  const focused = useCallback((uid: string) => {
    setActiveUid(uid);
    setWalking(false);
  }, []);

  return (
    <div className="@container flex min-h-0 flex-1 flex-col">
      <div
        role="grid"
        aria-label="Pods"
        aria-rowcount={pods.length + 1}
        className="flex min-h-0 flex-1 flex-col"
      >
        <div role="rowgroup" className="border-b border-line px-3 sm:px-6">
          <div role="row" aria-rowindex={1} className={cn(GRID, 'h-9 text-xs text-muted')}>
            {COLUMNS.map((column) => (
              <div
                key={column.key}
                role="columnheader"
                aria-sort={column.key !== sort.key ? undefined : sort.descending ? 'descending' : 'ascending'}
                className={cn('min-w-0', column.className, column.end && 'text-end')}
              >
                <ColumnTitle column={column} sort={sort} onSort={onSort} />
              </div>
            ))}
          </div>
        </div>
        <div
          ref={scroller}
          role="presentation"
          onKeyDown={walk}
          className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-1 sm:px-4"
        >
          <div role="rowgroup" className="relative" style={{ height: virtualizer.getTotalSize() }}>
            {virtualizer.getVirtualItems().map(({ index, key, start }) => {
              const pod = pods[index];
              return (
                pod && (
                  <PodRow
                    key={key}
                    pod={pod}
                    index={index}
                    top={start}
                    height={ROW_HEIGHT}
                    now={now}
                    current={index === active}
                    takeFocus={walking && index === active}
                    onFocused={focused}
                    onAction={onAction}
                  />
                )
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

interface ColumnTitleProps {
  column: (typeof COLUMNS)[number];
  sort: Sort;
  onSort: (sort: Sort) => void;
}

function ColumnTitle({ column, sort, onSort }: ColumnTitleProps) {
  const { key, title } = column;
  if (key === 'actions') return <span className="sr-only">{title}</span>;
  if (key === 'why') return title;
  const sorted = key === sort.key;
  const Arrow = sort.descending ? ArrowDown : ArrowUp;
  return (
    <button
      type="button"
      onClick={() => onSort({ key, descending: sorted ? !sort.descending : startsDescending(key) })}
      className={cn(
        'inline-flex h-7 max-w-full items-center gap-1 rounded-md whitespace-nowrap transition-colors hover:text-ink',
        sorted && 'font-semibold text-ink',
      )}
    >
      {title}
      {sorted && <Arrow className="size-3" aria-hidden="true" />}
    </button>
  );
}

/** Numbers are looked at from the largest down. */
function startsDescending(key: SortKey): boolean {
  return key === 'restarts' || key === 'cpu' || key === 'memory';
}

function nextRow(key: string, row: number, last: number): number | null {
  const clamp = (value: number) => Math.min(last, Math.max(0, value));
  switch (key) {
    case 'ArrowDown':
      return clamp(row + 1);
    case 'ArrowUp':
      return clamp(row - 1);
    case 'PageDown':
      return clamp(row + PAGE);
    case 'PageUp':
      return clamp(row - PAGE);
    case 'Home':
      return 0;
    case 'End':
      return clamp(last);
    default:
      return null;
  }
}
