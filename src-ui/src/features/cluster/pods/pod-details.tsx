import { FileCode, RotateCw, ScrollText, Trash2 } from 'lucide-react';

import { Alert } from '@/components/alert';
import { Badge } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { formatBytes, formatMoment } from '@/lib/format';
import type { Pod } from '@/platform/cluster-types';

import { EventLine } from '../events/event-line';
import { useLive } from '../live/live';
import type { PodAction } from './pod-actions';
import { formatCpu, podState } from './pod-look';

const MAX_EVENTS = 20;

interface PodDetailsProps {
  pod: Pod;
  onClose: () => void;
  onAction: (action: PodAction) => void;
}

/** One pod: what it is, why it is not ready, what happened to it. */
export function PodDetails({ pod, onClose, onAction }: PodDetailsProps) {
  const events = useLive((state) => state.events);
  const own = events
    .filter(({ object }) => object === `Pod/${pod.name}`)
    .slice(-MAX_EVENTS)
    .reverse();
  const { word, tone } = podState(pod);
  return (
    <Dialog open onOpenChange={onClose} placement="right" title={pod.name}>
      <div className="min-h-0 flex-1 space-y-5 overflow-y-auto px-5 pb-6">
        <div className="flex flex-wrap gap-1.5">
          <Badge tone={tone}>{word}</Badge>
          <Badge>
            {pod.ready_containers} of {pod.containers} containers ready
          </Badge>
        </div>
        {pod.why !== null && <Alert tone="warning">{pod.why}</Alert>}
        <div className="flex flex-wrap gap-1.5">
          <Button size="sm" onClick={() => onAction('logs')}>
            <ScrollText />
            Logs
          </Button>
          <Button size="sm" onClick={() => onAction('yaml')}>
            <FileCode />
            YAML
          </Button>
          {pod.app !== 'postgres' && (
            <Button size="sm" onClick={() => onAction('restart')}>
              <RotateCw />
              Restart {pod.app}…
            </Button>
          )}
          <Button size="sm" className="text-danger" onClick={() => onAction('delete')}>
            <Trash2 />
            Delete…
          </Button>
        </div>
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-sm tabular">
          {factsOf(pod).map(([name, value]) => (
            <div key={name} className="col-span-2 grid grid-cols-subgrid">
              <dt className="text-muted">{name}</dt>
              <dd className="text-end [overflow-wrap:anywhere]">{value}</dd>
            </div>
          ))}
        </dl>
        <section aria-labelledby="pod-events">
          <h3 id="pod-events" className="mb-2 text-sm font-semibold">
            Events
          </h3>
          {own.length === 0 ? (
            <p className="text-sm text-muted">None that the app has seen.</p>
          ) : (
            <ul className="space-y-3">
              {own.map((event) => (
                <li key={event.uid}>
                  <EventLine event={event} withObject={false} />
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
    </Dialog>
  );
}

function factsOf(pod: Pod): [name: string, value: string][] {
  const facts: [string, string | null][] = [
    ['Namespace', pod.namespace],
    ['Node', pod.node],
    ['Image', pod.image],
    ['Made', formatMoment(pod.created_at)],
    ['Restarts', String(pod.restarts)],
    ['CPU', pod.cpu_millicores === null ? null : formatCpu(pod.cpu_millicores)],
    ['CPU asked for', pod.cpu_request_millicores === null ? null : formatCpu(pod.cpu_request_millicores)],
    ['Memory', pod.memory_bytes === null ? null : formatBytes(pod.memory_bytes)],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}
