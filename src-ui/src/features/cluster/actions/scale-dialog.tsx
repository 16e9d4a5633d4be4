import { Minus, Plus } from 'lucide-react';
import { useState } from 'react';

import { Field } from '@/components/ui/field';
import { IconButton } from '@/components/ui/icon-button';
import { Input } from '@/components/ui/input';
import { useDebounced } from '@/lib/use-debounced';
import type { Workload } from '@/platform/cluster-types';

import { ActionDialog } from './action-dialog';

const PREVIEW_DELAY_MS = 250;
const MAX_REPLICAS = 100;

export function ScaleDialog({ workload, onClose }: { workload: Workload; onClose: () => void }) {
  const [replicas, setReplicas] = useState(workload.desired);
  const settled = useDebounced(replicas, PREVIEW_DELAY_MS);
  const set = (value: number) => {
    if (Number.isInteger(value)) setReplicas(Math.min(MAX_REPLICAS, Math.max(0, value)));
  };
  return (
    <ActionDialog
      action={{ kind: 'scale', deployment: workload.name, replicas: settled }}
      title={`Scale ${workload.name}`}
      confirmLabel={`Scale to ${settled}`}
      onClose={onClose}
    >
      <Field label="Replicas" hint={`Now ${workload.desired}.`}>
        {(control) => (
          <div className="flex items-center gap-1">
            <IconButton label="One fewer" disabled={replicas === 0} onClick={() => set(replicas - 1)}>
              <Minus />
            </IconButton>
            <Input
              {...control}
              type="number"
              min={0}
              max={MAX_REPLICAS}
              className="w-20 text-center tabular"
              value={replicas}
              onChange={(event) => set(event.currentTarget.valueAsNumber)}
            />
            <IconButton label="One more" onClick={() => set(replicas + 1)}>
              <Plus />
            </IconButton>
          </div>
        )}
      </Field>
    </ActionDialog>
  );
}
