import { memo, useEffect, useRef, type ReactNode } from 'react';

import { Badge } from '@/components/ui/badge';
import { cn } from '@/lib/cn';
import { formatAge, formatBytes, formatMoment } from '@/lib/format';
import type { Pod } from '@/platform/cluster-types';

import { COLUMNS, GRID } from './columns';
import { PodActions, type PodAction } from './pod-actions';
import { cpuShare, formatCpu, podState, shortName } from './pod-look';

interface PodRowProps {
  pod: Pod;
  index: number;
  top: number;
  height: number;
  now: number;
  /** The one row that Tab reaches. */
  current: boolean;
  takeFocus: boolean;
  onFocused: (uid: string) => void;
  onAction: (pod: Pod, action: PodAction) => void;
}

export const PodRow = memo(function PodRow({
  pod,
  index,
  top,
  height,
  now,
  current,
  takeFocus,
  onFocused,
  onAction,
}: PodRowProps) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (takeFocus) row.current?.focus();
  }, [takeFocus]);
  const { word, tone } = podState(pod);

  return (
    <div
      ref={row}
      role="row"
      aria-rowindex={index + 2}
      tabIndex={current ? 0 : -1}
      onFocus={() => onFocused(pod.uid)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target === row.current) onAction(pod, 'details');
      }}
      onDoubleClick={() => onAction(pod, 'details')}
      style={{ height, transform: `translateY(${top}px)` }}
      className={cn(
        GRID,
        'absolute inset-x-0 top-0 rounded-lg px-2 text-sm transition-colors duration-100 hover:bg-hover focus-visible:bg-hover focus-visible:-outline-offset-2',
        pod.deleting && 'text-muted',
      )}
    >
      <Cell column="name">
        <button
          type="button"
          tabIndex={-1}
          onClick={() => onAction(pod, 'details')}
          title={pod.name}
          className="block max-w-full truncate rounded-sm text-start font-medium hover:text-accent"
        >
          {shortName(pod.name)}
        </button>
        <span className="block truncate text-xs text-muted">
          {pod.why !== null && <span className="text-warning @2xl:hidden">{pod.why} </span>}
          <span className={pod.why === null ? undefined : 'hidden @2xl:inline'}>{pod.image}</span>
        </span>
      </Cell>
      <Cell column="state">
        <Badge tone={tone}>{word}</Badge>
        {pod.containers > 1 && (
          <span className="block text-xs text-muted tabular">
            {pod.ready_containers}/{pod.containers}
          </span>
        )}
      </Cell>
      <Cell column="why">
        <span className="line-clamp-2 text-xs leading-4 text-warning" title={pod.why ?? undefined}>
          {pod.why}
        </span>
      </Cell>
      <Cell column="restarts">
        <span className={pod.restarts > 0 ? 'font-medium text-warning' : 'text-muted'}>{pod.restarts}</span>
      </Cell>
      <Cell column="cpu">
        <CpuMeter pod={pod} />
      </Cell>
      <Cell column="memory">{pod.memory_bytes === null ? '–' : formatBytes(pod.memory_bytes)}</Cell>
      <Cell column="node">
        <span className="block truncate text-muted" title={pod.node ?? undefined}>
          {pod.node ?? 'none yet'}
        </span>
      </Cell>
      <Cell column="age">
        <span className="text-muted" title={formatMoment(pod.created_at)}>
          {formatAge(pod.created_at, now)}
        </span>
      </Cell>
      <Cell column="actions">
        <PodActions pod={pod} tabIndex={current ? 0 : -1} onAction={(action) => onAction(pod, action)} />
      </Cell>
    </div>
  );
});

function Cell({ column, children }: { column: (typeof COLUMNS)[number]['key']; children: ReactNode }) {
  const shape = COLUMNS.find(({ key }) => key === column);
  return (
    <div role="gridcell" className={cn('min-w-0 tabular', shape?.className, shape?.end && 'text-end')}>
      {children}
    </div>
  );
}

/** What a pod uses of what it asked for; over the end when it takes more. */
function CpuMeter({ pod }: { pod: Pod }) {
  const share = cpuShare(pod);
  if (pod.cpu_millicores === null) return <span className="text-muted">–</span>;
  return (
    <span className="inline-block w-full">
      <span className="block text-xs">
        {formatCpu(pod.cpu_millicores)}
        {pod.cpu_request_millicores !== null && (
          <span className="text-muted"> of {formatCpu(pod.cpu_request_millicores)}</span>
        )}
      </span>
      {share !== null && (
        <span className="mt-1 block h-1 overflow-hidden rounded-full bg-line" aria-hidden="true">
          <span
            className={cn('block h-full rounded-full', share > 1 ? 'bg-warning' : 'bg-accent')}
            style={{ width: `${Math.min(100, 100 * share)}%` }}
          />
        </span>
      )}
    </span>
  );
}
