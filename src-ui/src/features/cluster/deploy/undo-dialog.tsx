import { useMutation, useQuery } from '@tanstack/react-query';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Skeleton } from '@/components/ui/skeleton';

import { cluster } from '../cluster';
import { Changes } from './changes';

/** The changes that lead back to before the last deploy. */
export function UndoDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const preview = useQuery({
    queryKey: ['cluster', 'undo'],
    queryFn: () => cluster().undoPreview(),
    enabled: open,
    retry: false,
    gcTime: 0,
  });
  const undo = useMutation({ mutationFn: () => cluster().undo(), onSuccess: onClose });
  const problem = preview.error ?? undo.error;
  return (
    <Dialog
      open={open}
      onOpenChange={onClose}
      title="Undo the last deploy?"
      description="These changes lead back to what was there before it."
      className="w-[min(44rem,calc(100vw-2rem))]"
    >
      <div className="min-h-0 flex-1 space-y-4 overflow-y-auto px-5 pb-5">
        {problem && <Alert>{errorMessage(problem)}</Alert>}
        {preview.isPending && <Skeleton className="h-40 w-full" />}
        {preview.data && (
          <>
            <p className="text-sm text-muted">
              Images that were built on this computer do not go back: each build has the name of the one
              before, so the pods keep the newest.
            </p>
            <Changes changes={preview.data} />
          </>
        )}
      </div>
      <footer className="flex justify-end gap-2 border-t border-line px-5 py-3">
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="primary" disabled={!preview.data || undo.isPending} onClick={() => undo.mutate()}>
          {undo.isPending ? 'Undoing…' : 'Undo'}
        </Button>
      </footer>
    </Dialog>
  );
}
