import { FilePlus2, Unplug } from 'lucide-react';
import { useState } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import type { Context, Contexts } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { useContextChange } from '../queries';
import { byFile, chosenContext, contextKey } from './chosen';
import { ContextRow } from './context-row';
import { ExecConsent } from './exec-consent';

interface ContextPickerProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  contexts: Contexts;
}

/** Every context of every kubeconfig. One that runs a program first asks. */
export function ContextPicker({ open, onOpenChange, contexts }: ContextPickerProps) {
  const [asked, setAsked] = useState<Context | null>(null);
  const add = useContextChange(() => cluster().addKubeconfig());
  const choose = useContextChange((context: Context | null) => cluster().choose(context?.id ?? null));
  const chosen = chosenContext(contexts);
  const close = () => onOpenChange(false);
  const pick = (context: Context | null) => choose.mutate(context, { onSuccess: close });
  const problem = add.error ?? choose.error;

  return (
    <>
      <Dialog
        open={open}
        onOpenChange={onOpenChange}
        title="Choose a cluster"
        description="The contexts of your kubeconfig files. Everything in this panel is about the chosen one."
        className="w-[min(36rem,calc(100vw-2rem))]"
      >
        <div className="min-h-0 flex-1 space-y-4 overflow-y-auto px-5 pt-1 pb-4">
          {problem && <Alert>{errorMessage(problem)}</Alert>}
          {contexts.problems.map(({ file, message }) => (
            <Alert key={file} tone="warning">
              <span className="block font-mono text-xs [overflow-wrap:anywhere]">{file}</span>
              {message}
            </Alert>
          ))}
          {byFile(contexts.contexts).map(([file, group]) => (
            <section key={file} aria-label={file}>
              <h3 className="mb-1.5 truncate font-mono text-xs text-muted" title={file}>
                {file}
              </h3>
              <ul className="space-y-1.5">
                {group.map((context) => (
                  <ContextRow
                    key={contextKey(context.id)}
                    context={context}
                    chosen={context === chosen}
                    busy={choose.isPending}
                    onPick={() => pick(context)}
                    onReview={() => setAsked(context)}
                  />
                ))}
              </ul>
            </section>
          ))}
          {contexts.contexts.length === 0 && (
            <p className="py-4 text-sm text-muted">
              No kubeconfig names a cluster. Add a file, or deploy to a new k3d cluster: it makes a context of
              its own.
            </p>
          )}
        </div>
        <footer className="flex flex-wrap justify-between gap-2 border-t border-line px-5 py-3">
          <Button size="sm" disabled={add.isPending} onClick={() => add.mutate(undefined)}>
            <FilePlus2 />
            Add a kubeconfig…
          </Button>
          {chosen && (
            <Button size="sm" variant="ghost" disabled={choose.isPending} onClick={() => pick(null)}>
              <Unplug />
              Choose none
            </Button>
          )}
        </footer>
      </Dialog>
      <ExecConsent
        context={asked}
        onClose={() => setAsked(null)}
        onTrusted={(context) => {
          setAsked(null);
          pick(context);
        }}
      />
    </>
  );
}
