import { useMutation, useQuery } from '@tanstack/react-query';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Skeleton } from '@/components/ui/skeleton';
import type { ObjectRef, Teardown } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { CommandLines } from '../parts/command-lines';

interface TeardownDialogProps {
  open: boolean;
  onClose: () => void;
  /** The k3d cluster, which can be stopped instead. */
  k3d: string | null;
}

/** Exactly what goes and what stays, before anything goes. */
export function TeardownDialog({ open, onClose, k3d }: TeardownDialogProps) {
  const preview = useQuery({
    queryKey: ['cluster', 'teardown'],
    queryFn: () => cluster().teardownPreview(),
    enabled: open,
    retry: false,
    gcTime: 0,
  });
  const teardown = useMutation({ mutationFn: () => cluster().teardown(), onSuccess: onClose });
  const stop = useMutation({ mutationFn: (name: string) => cluster().k3dStop(name), onSuccess: onClose });
  const busy = teardown.isPending || stop.isPending;
  const problem = preview.error ?? teardown.error ?? stop.error;

  return (
    <Dialog
      open={open}
      onOpenChange={onClose}
      title="Take down the service?"
      description="This is what would go, and what would stay."
      className="w-[min(38rem,calc(100vw-2rem))]"
    >
      <div className="min-h-0 flex-1 space-y-4 overflow-y-auto px-5 pb-5">
        {problem && <Alert>{errorMessage(problem)}</Alert>}
        {preview.isPending && <Skeleton className="h-40 w-full" />}
        {preview.data && <Lists teardown={preview.data} />}
      </div>
      <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line px-5 py-3">
        {k3d !== null && (
          <Button variant="ghost" className="mr-auto" disabled={busy} onClick={() => stop.mutate(k3d)}>
            Only stop the cluster
          </Button>
        )}
        <Button onClick={onClose}>Keep it</Button>
        <Button variant="danger" disabled={busy || !preview.data} onClick={() => teardown.mutate()}>
          {teardown.isPending ? 'Taking down…' : 'Take down'}
        </Button>
      </footer>
    </Dialog>
  );
}

function Lists({ teardown: { remove, keep, commands } }: { teardown: Teardown }) {
  return (
    <>
      <section aria-labelledby="teardown-goes">
        <h3 id="teardown-goes" className="mb-1.5 text-sm font-semibold text-danger">
          Goes ({remove.length})
        </h3>
        {remove.length === 0 ? (
          <p className="text-sm text-muted">Nothing of Flotilla is in this cluster.</p>
        ) : (
          <ul
            tabIndex={0}
            aria-labelledby="teardown-goes"
            className="grid max-h-44 gap-x-4 overflow-y-auto rounded-lg border border-line bg-raised px-3 py-2 text-xs leading-5 sm:grid-cols-2"
          >
            {remove.map((object) => (
              <li key={keyOf(object)} className="truncate">
                <span className="text-muted">{object.kind}</span> {object.name}
              </li>
            ))}
          </ul>
        )}
      </section>
      {keep.length > 0 && (
        <section aria-labelledby="teardown-stays">
          <h3 id="teardown-stays" className="mb-1.5 text-sm font-semibold">
            Stays ({keep.length})
          </h3>
          <ul className="divide-y divide-line rounded-lg border border-line bg-raised text-xs leading-5">
            {keep.map(({ object, why }) => (
              <li key={keyOf(object)} className="px-3 py-1.5">
                <span className="text-muted">{object.kind}</span> {object.name}
                <span className="block text-muted">{why}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {commands.length > 0 && (
        <div>
          <h3 className="mb-1 text-xs font-semibold text-muted">The same by hand</h3>
          <CommandLines text={commands.join('\n')} />
        </div>
      )}
    </>
  );
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind}/${namespace ?? ''}/${name}`;
}
