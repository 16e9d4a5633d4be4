import { useMutation } from '@tanstack/react-query';
import { Play, Square, Trash2, Undo2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import type { Context } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { Card, Section } from '../parts/section';
import { TeardownDialog } from './teardown-dialog';
import { UndoDialog } from './undo-dialog';

/** What can be taken back: the last deploy, the cluster's running, all of it. The mildest comes first. */
export function Upkeep({ context, deployed }: { context: Context | null; deployed: boolean }) {
  const [open, setOpen] = useState<'undo' | 'teardown' | null>(null);
  const close = () => setOpen(null);
  const k3d = context?.k3d_cluster ?? null;
  return (
    <Section title="Upkeep">
      <Card className="divide-y divide-line">
        {k3d !== null && <K3dPower name={k3d} />}
        {deployed && (
          <>
            <Row
              title="Undo the last deploy"
              text="Puts every object back to what it was before. Shows the changes first."
            >
              <Button size="sm" onClick={() => setOpen('undo')}>
                <Undo2 />
                Undo…
              </Button>
            </Row>
            <Row
              title="Take down"
              text="Removes the service from the cluster. Shows what goes and what stays first."
            >
              <Button size="sm" onClick={() => setOpen('teardown')} className="text-danger">
                <Trash2 />
                Take down…
              </Button>
            </Row>
          </>
        )}
      </Card>
      <UndoDialog open={open === 'undo'} onClose={close} />
      <TeardownDialog open={open === 'teardown'} onClose={close} k3d={k3d} />
    </Section>
  );
}

export function K3dPower({ name }: { name: string }) {
  const power = useMutation({
    mutationFn: (on: boolean) => (on ? cluster().k3dStart(name) : cluster().k3dStop(name)),
  });
  const doing = power.isPending ? (power.variables ? 'Starting…' : 'Stopping…') : null;
  return (
    <Row
      title={`k3d cluster ${name}`}
      text={doing ?? 'Stopping frees its memory and processor and keeps everything in it.'}
      problem={power.error ? errorMessage(power.error) : null}
    >
      <Button size="sm" disabled={power.isPending} onClick={() => power.mutate(false)}>
        <Square />
        Stop
      </Button>
      <Button size="sm" disabled={power.isPending} onClick={() => power.mutate(true)}>
        <Play />
        Start
      </Button>
    </Row>
  );
}

interface RowProps {
  title: string;
  text: string;
  problem?: string | null;
  children: ReactNode;
}

function Row({ title, text, problem = null, children }: RowProps) {
  return (
    <div className="px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-56 text-sm">
          <p className="font-medium">{title}</p>
          <p className="text-xs text-muted">{text}</p>
        </div>
        <div className="flex gap-1.5">{children}</div>
      </div>
      {problem !== null && <Alert className="mt-2">{problem}</Alert>}
    </div>
  );
}
