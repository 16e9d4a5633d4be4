import { useMutation, useQueryClient } from '@tanstack/react-query';
import { MemoryStick, Trash2 } from 'lucide-react';
import { useState } from 'react';

import { errorMessage } from '@/api/error';
import { deleteModel, unloadModel } from '@/api/models';
import { keys } from '@/api/queries';
import type { Model } from '@/api/types';
import { Badge } from '@/components/ui/badge';
import { ConfirmDialog } from '@/components/ui/confirm-dialog';
import { IconButton } from '@/components/ui/icon-button';
import { formatBytes } from '@/lib/format';

import { modelFacts } from './model-facts';

/** One installed model, with what can be done to it. */
export function InstalledRow({ model }: { model: Model }) {
  const [asking, setAsking] = useState(false);
  const unload = useChange(unloadModel);
  const remove = useChange(deleteModel);
  const trouble = remove.error ?? unload.error;

  return (
    <li className="flex items-start gap-1 py-2">
      <div className="min-w-0 flex-1">
        <div className="flex min-w-0 items-center gap-2 text-sm font-medium">
          <span className="truncate">{model.id}</span>
          {model.loaded && <Badge tone="accent">in memory</Badge>}
        </div>
        <div className="text-xs text-muted tabular">{modelFacts(model)}</div>
        {trouble && (
          <p role="alert" className="mt-1 text-xs text-danger">
            {errorMessage(trouble)}
          </p>
        )}
      </div>
      {model.loaded && (
        <IconButton
          size="sm"
          label={`Take ${model.id} out of memory`}
          disabled={unload.isPending}
          onClick={() => unload.mutate(model.id)}
        >
          <MemoryStick />
        </IconButton>
      )}
      <IconButton
        size="sm"
        label={`Delete ${model.id}`}
        disabled={remove.isPending}
        onClick={() => setAsking(true)}
      >
        <Trash2 />
      </IconButton>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title="Delete this model?"
        confirmLabel="Delete"
        tone="danger"
        onConfirm={() => remove.mutate(model.id)}
      >
        {model.id} leaves this server
        {model.size_bytes !== null && <> and makes {formatBytes(model.size_bytes)} free</>}. It can be
        downloaded again.
      </ConfirmDialog>
    </li>
  );
}

function useChange(change: (model: string) => Promise<void>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.models }),
  });
}
