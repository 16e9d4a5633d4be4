import { cn } from '@/lib/cn';
import type { Workload } from '@/platform/cluster-types';

import { useLive } from '../live/live';
import { Card } from '../parts/section';

/** How many of each are ready, a mark for each. */
export function WorkloadCards() {
  const workloads = useLive((state) => state.deployments) ?? [];
  return (
    <ul aria-label="Workloads" className="grid gap-3 sm:grid-cols-3">
      {workloads.map((workload) => (
        <li key={`${workload.kind}/${workload.name}`}>
          <Card className="h-full px-4 py-3">
            <div className="flex items-baseline justify-between gap-2">
              <p className="truncate text-sm font-medium">{workload.name}</p>
              <p className="shrink-0 text-sm tabular">
                <strong className="font-semibold">{workload.ready}</strong>
                <span className="text-muted"> of {workload.desired} ready</span>
              </p>
            </div>
            <ReplicaMarks workload={workload} />
            {workload.why !== null && <p className="mt-2 text-xs text-pretty text-warning">{workload.why}</p>}
          </Card>
        </li>
      ))}
    </ul>
  );
}

const MAX_MARKS = 24;

function ReplicaMarks({ workload: { ready, desired, current } }: { workload: Workload }) {
  const total = Math.min(MAX_MARKS, Math.max(desired, current, 1));
  return (
    <div className="mt-2 flex gap-1" aria-hidden="true">
      {Array.from({ length: total }, (_, index) => (
        <span
          key={index}
          className={cn(
            'h-1.5 min-w-0 flex-1 rounded-full',
            index < ready ? 'bg-good/80' : index < desired ? 'bg-warning/70' : 'bg-line-strong',
          )}
        />
      ))}
    </div>
  );
}
