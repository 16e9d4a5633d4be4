import { Boxes } from 'lucide-react';
import { useCallback, useMemo, useState } from 'react';

import { Input } from '@/components/ui/input';
import { formatPlural } from '@/lib/format';
import type { ObjectRef, Pod, Workload } from '@/platform/cluster-types';

import { ScaleDialog } from '../actions/scale-dialog';
import { DeletePodDialog, RestartDialog } from '../actions/simple-actions';
import { useLive } from '../live/live';
import { Empty } from '../parts/empty';
import { YamlDialog } from '../yaml/yaml-dialog';
import type { PodAction } from './pod-actions';
import { PodDetails } from './pod-details';
import { PodTable } from './pod-table';
import { matchingPods, sortPods, type Sort } from './sort';
import { WorkloadList, type WorkloadAction } from './workload-list';

/** The one dialog that is open. */
type Asked =
  | { kind: 'details'; uid: string }
  | { kind: 'yaml'; object: ObjectRef }
  | { kind: 'scale'; workload: Workload }
  | { kind: 'restart'; deployment: string }
  | { kind: 'delete'; pod: string };

export function PodsView({ onLogs }: { onLogs: (pod: string) => void }) {
  const pods = useLive((state) => state.pods);
  const [filter, setFilter] = useState('');
  const [sort, setSort] = useState<Sort>({ key: 'name', descending: false });
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => setAsked(null);
  const shown = useMemo(() => sortPods(matchingPods(pods.values(), filter), sort), [pods, filter, sort]);

  const onPod = useCallback(
    (pod: Pod, action: PodAction) => {
      if (action === 'logs') onLogs(pod.name);
      else setAsked(askedOfPod(pod, action));
    },
    [onLogs],
  );
  const onWorkload = (workload: Workload, action: WorkloadAction) =>
    setAsked(askedOfWorkload(workload, action));
  const details = asked?.kind === 'details' ? pods.get(asked.uid) : undefined;

  return (
    <>
      <WorkloadList onAction={onWorkload} />
      <div className="flex shrink-0 items-center gap-3 px-3 pt-3 pb-1 sm:px-6">
        <Input
          type="search"
          aria-label="Filter pods"
          placeholder="Filter by name, node, state or reason"
          className="h-8 max-w-80"
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
        <p role="status" className="shrink-0 text-xs text-muted tabular">
          {shown.length === pods.size
            ? formatPlural(pods.size, 'pod')
            : `${shown.length} of ${formatPlural(pods.size, 'pod')}`}
        </p>
      </div>
      {shown.length > 0 ? (
        <PodTable pods={shown} sort={sort} onSort={setSort} onAction={onPod} />
      ) : (
        <Empty icon={Boxes} title={pods.size === 0 ? 'No pods' : 'No pod matches'}>
          {pods.size === 0
            ? 'Nothing runs in this cluster’s namespace now. The events may say why.'
            : 'Every pod is left out by the filter.'}
        </Empty>
      )}
      {details && <PodDetails pod={details} onClose={close} onAction={(action) => onPod(details, action)} />}
      {asked?.kind === 'yaml' && <YamlDialog object={asked.object} onClose={close} />}
      {asked?.kind === 'scale' && <ScaleDialog workload={asked.workload} onClose={close} />}
      {asked?.kind === 'restart' && <RestartDialog deployment={asked.deployment} onClose={close} />}
      {asked?.kind === 'delete' && <DeletePodDialog pod={asked.pod} onClose={close} />}
    </>
  );
}

function askedOfPod(pod: Pod, action: Exclude<PodAction, 'logs'>): Asked {
  switch (action) {
    case 'details':
      return { kind: 'details', uid: pod.uid };
    case 'yaml':
      return { kind: 'yaml', object: { kind: 'Pod', name: pod.name, namespace: pod.namespace } };
    case 'restart':
      return { kind: 'restart', deployment: pod.app };
    case 'delete':
      return { kind: 'delete', pod: pod.name };
  }
}

function askedOfWorkload(workload: Workload, action: WorkloadAction): Asked {
  const { kind, name, namespace } = workload;
  switch (action) {
    case 'scale':
      return { kind: 'scale', workload };
    case 'restart':
      return { kind: 'restart', deployment: name };
    case 'yaml':
      return { kind: 'yaml', object: { kind, name, namespace } };
  }
}
