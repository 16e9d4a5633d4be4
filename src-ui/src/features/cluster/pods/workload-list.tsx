import { FileCode, RotateCw, Scaling } from 'lucide-react';

import { Badge } from '@/components/ui/badge';
import { IconButton } from '@/components/ui/icon-button';
import type { Workload } from '@/platform/cluster-types';

import { useLive } from '../live/live';

export type WorkloadAction = 'scale' | 'restart' | 'yaml';

interface WorkloadListProps {
  onAction: (workload: Workload, action: WorkloadAction) => void;
}

/** What owns the pods, and what can be done to all of them at once. */
export function WorkloadList({ onAction }: WorkloadListProps) {
  const workloads = useLive((state) => state.deployments) ?? [];
  return (
    <ul
      aria-label="Workloads"
      className="grid shrink-0 gap-2 border-b border-line px-3 py-3 sm:grid-cols-3 sm:px-6"
    >
      {workloads.map((workload) => (
        <li
          key={`${workload.kind}/${workload.name}`}
          className="flex items-center gap-2 rounded-lg border border-line bg-raised py-1.5 pr-1.5 pl-3 text-sm"
        >
          <div className="min-w-0 flex-1">
            <p className="flex items-center gap-1.5">
              <span className="truncate font-medium">{workload.name}</span>
              {workload.autoscaler !== null && <Badge tone="accent">autoscaled</Badge>}
            </p>
            <p className="truncate text-xs text-muted tabular" title={workload.why ?? undefined}>
              {workload.ready}/{workload.desired} ready
              {workload.updated < workload.desired && `, ${workload.updated} up to date`}
              {workload.why !== null && ` · ${workload.why}`}
            </p>
          </div>
          <div className="flex">
            {workload.kind === 'Deployment' && (
              <>
                <IconButton
                  size="sm"
                  label={`Scale ${workload.name}…`}
                  onClick={() => onAction(workload, 'scale')}
                >
                  <Scaling />
                </IconButton>
                <IconButton
                  size="sm"
                  label={`Restart ${workload.name}…`}
                  onClick={() => onAction(workload, 'restart')}
                >
                  <RotateCw />
                </IconButton>
              </>
            )}
            <IconButton
              size="sm"
              label={`YAML of ${workload.name}`}
              onClick={() => onAction(workload, 'yaml')}
            >
              <FileCode />
            </IconButton>
          </div>
        </li>
      ))}
    </ul>
  );
}
