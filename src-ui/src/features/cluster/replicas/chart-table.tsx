import { cn } from '@/lib/cn';
import { formatClock, formatCount, formatDuration, formatMoment } from '@/lib/format';
import type { Sample } from '@/platform/cluster-types';

import type { Quantity } from './series';

interface ChartTableProps {
  rows: readonly Sample[];
  metric: { name: string; suffix: string };
  /** Kept for screen readers only while the charts are on the page. */
  hidden: boolean;
  /** Names the day as well, where the rows reach over one. */
  withDays: boolean;
}

/** The charts as numbers, newest first. */
export function ChartTable({ rows, metric, hidden, withDays }: ChartTableProps) {
  const columns: [name: string, quantity: Quantity, format: (value: number) => string][] = [
    ['Desired', 'desired', formatCount],
    ['Current', 'current', formatCount],
    ['Ready', 'ready', formatCount],
    ['Min', 'min', formatCount],
    ['Max', 'max', formatCount],
    [metric.name, 'metric', (value) => `${formatCount(value)}${metric.suffix}`],
    ['Target', 'target', (value) => `${formatCount(value)}${metric.suffix}`],
    ['Tokens/s', 'tokens_per_second', (value) => value.toFixed(1)],
    ['First token', 'ttft_ms', formatDuration],
    ['In flight', 'in_flight', formatCount],
    ['Queued', 'queue_depth', formatCount],
  ];
  return (
    <div
      tabIndex={hidden ? undefined : 0}
      role="region"
      aria-label="Scaling over time, as a table"
      className={cn(
        hidden ? 'sr-only' : 'max-h-[32rem] overflow-auto rounded-xl border border-line bg-raised',
      )}
    >
      <table className="w-full text-xs tabular">
        <caption className="sr-only">Replicas, metric and requests over time, newest first</caption>
        <thead className="sticky top-0 bg-raised">
          <tr className="border-b border-line-strong text-muted">
            <th scope="col" className="py-2 pr-3 pl-3 text-start font-semibold">
              Time
            </th>
            {columns.map(([name]) => (
              <th
                key={name}
                scope="col"
                className="px-2 py-2 text-end font-semibold whitespace-nowrap last:pr-3"
              >
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.at} className="border-b border-line last:border-0">
              <th scope="row" className="py-1.5 pr-3 pl-3 text-start font-medium whitespace-nowrap">
                {withDays ? formatMoment(row.at) : formatClock(row.at)}
              </th>
              {columns.map(([name, quantity, format]) => {
                const value = row[quantity];
                return (
                  <td key={name} className="px-2 py-1.5 text-end whitespace-nowrap last:pr-3">
                    {value === null ? <span className="text-muted">–</span> : format(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
