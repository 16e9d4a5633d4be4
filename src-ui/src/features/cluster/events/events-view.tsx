import { useVirtualizer } from '@tanstack/react-virtual';
import { CalendarClock } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';

import { Input } from '@/components/ui/input';
import { Segments } from '@/components/ui/segments';
import { formatPlural } from '@/lib/format';
import type { ClusterEvent } from '@/platform/cluster-types';

import { useLive } from '../live/live';
import { Empty } from '../parts/empty';
import { EventLine } from './event-line';

const ESTIMATED_HEIGHT = 58;

type Shown = 'all' | 'warnings';

/** What the cluster said, newest first; kept on this computer beyond the hour for which the cluster keeps it. */
export function EventsView() {
  const events = useLive((state) => state.events);
  const [shown, setShown] = useState<Shown>('all');
  const [filter, setFilter] = useState('');
  const rows = useMemo(() => matching(events, shown, filter).reverse(), [events, shown, filter]);
  return (
    <>
      <div className="flex shrink-0 flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-3 py-3 sm:px-6">
        <Input
          type="search"
          aria-label="Filter events"
          placeholder="Filter by object, reason or words"
          className="h-8 max-w-80 flex-1 basis-48"
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
        <Segments
          label="Which events"
          value={shown}
          onChange={setShown}
          options={[
            { value: 'all', label: 'All' },
            { value: 'warnings', label: 'Warnings' },
          ]}
        />
        <p role="status" className="text-xs text-muted tabular">
          {formatPlural(rows.length, 'event')}
        </p>
      </div>
      {rows.length > 0 ? (
        <EventList events={rows} />
      ) : (
        <Empty icon={CalendarClock} title={events.length === 0 ? 'No events yet' : 'No event matches'}>
          {events.length === 0
            ? 'The cluster has said nothing since the app began to listen.'
            : 'Every event is left out by the filter.'}
        </Empty>
      )}
    </>
  );
}

function EventList({ events }: { events: readonly ClusterEvent[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- the React compiler is not used
  const virtualizer = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => events[index]?.uid ?? index,
    estimateSize: () => ESTIMATED_HEIGHT,
    overscan: 8,
    paddingStart: 6,
    paddingEnd: 12,
  });
  const rows = virtualizer.getVirtualItems();
  return (
    <div
      ref={scroller}
      tabIndex={0}
      role="region"
      aria-label="Events"
      className="min-h-0 flex-1 overflow-y-auto overscroll-contain focus-visible:-outline-offset-2"
    >
      <ul className="relative" style={{ height: virtualizer.getTotalSize() }}>
        {rows.map(({ index, key, start }) => {
          const event = events[index];
          return (
            event && (
              <li
                key={key}
                data-index={index}
                ref={virtualizer.measureElement}
                className="absolute inset-x-0 top-0 px-3 py-2 sm:px-6"
                style={{ transform: `translateY(${start}px)` }}
              >
                <EventLine event={event} />
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}

function matching(events: readonly ClusterEvent[], shown: Shown, filter: string): ClusterEvent[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return events.filter((event) => {
    if (shown === 'warnings' && event.type !== 'Warning') return false;
    const about = `${event.object} ${event.reason} ${event.message}`.toLowerCase();
    return words.every((word) => about.includes(word));
  });
}
