import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Skeleton } from '@/components/ui/skeleton';
import type { Action } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { CommandLines } from '../parts/command-lines';

interface ActionDialogProps {
  action: Action;
  title: string;
  confirmLabel: string;
  tone?: 'primary' | 'danger';
  onClose: () => void;
  /** What else there is to choose. */
  children?: ReactNode;
}

/** What an action would do, whether it is allowed, and what could be typed instead; then the button that does it. */
export function ActionDialog({
  action,
  title,
  confirmLabel,
  tone = 'primary',
  onClose,
  children,
}: ActionDialogProps) {
  const preview = useQuery({
    queryKey: ['cluster', 'preview', action],
    queryFn: () => cluster().preview(action),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  });
  const act = useMutation({ mutationFn: () => cluster().act(action), onSuccess: onClose });
  const problem = act.error ?? preview.error;
  const { data } = preview;

  return (
    <Dialog open onOpenChange={onClose} title={title} className="w-[min(32rem,calc(100vw-2rem))]">
      <div className="min-h-0 flex-1 space-y-3 overflow-y-auto px-5 pb-5 text-sm">
        {children}
        {preview.isPending && <Skeleton className="h-20 w-full" />}
        {data && (
          <>
            <ul className="space-y-1 text-pretty">
              {data.sentences.map((sentence, index) => (
                <li key={index}>{sentence}</li>
              ))}
            </ul>
            {data.warning !== null && <Alert tone="warning">{data.warning}</Alert>}
            {!data.allowed && <Alert>You have no right to do this in this cluster.</Alert>}
            <CommandLines text={data.command} />
          </>
        )}
        {problem && <Alert>{errorMessage(problem)}</Alert>}
      </div>
      <footer className="flex justify-end gap-2 border-t border-line px-5 py-3">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          variant={tone}
          disabled={!data?.allowed || preview.isPlaceholderData || act.isPending}
          onClick={() => act.mutate()}
        >
          {confirmLabel}
        </Button>
      </footer>
    </Dialog>
  );
}
