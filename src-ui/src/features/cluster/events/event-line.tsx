import { CircleAlert, Info } from 'lucide-react';

import { formatClock, formatMoment } from '@/lib/format';
import type { ClusterEvent } from '@/platform/cluster-types';

export function EventLine({ event, withObject = true }: { event: ClusterEvent; withObject?: boolean }) {
  const warning = event.type === 'Warning';
  const Icon = warning ? CircleAlert : Info;
  return (
    <div className="grid grid-cols-[1rem_minmax(0,1fr)_auto] gap-x-2.5 text-sm">
      <Icon
        className={warning ? 'mt-0.5 size-4 text-warning' : 'mt-0.5 size-4 text-muted'}
        aria-hidden="true"
      />
      <p className="flex min-w-0 flex-wrap items-baseline gap-x-2">
        <span className={warning ? 'font-medium text-warning' : 'font-medium'}>
          {warning && <span className="sr-only">Warning: </span>}
          {event.reason}
        </span>
        {withObject && <span className="min-w-0 truncate text-xs text-muted">{event.object}</span>}
        {event.count > 1 && <span className="text-xs text-muted tabular">{event.count} times</span>}
      </p>
      <time
        dateTime={new Date(event.at).toISOString()}
        title={formatMoment(event.at)}
        className="text-xs leading-5 text-muted tabular"
      >
        {formatClock(event.at)}
      </time>
      <p className="col-span-2 col-start-2 text-xs text-pretty [overflow-wrap:anywhere] text-muted">
        {event.message}
      </p>
    </div>
  );
}
