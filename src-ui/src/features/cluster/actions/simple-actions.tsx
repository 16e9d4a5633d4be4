import { ActionDialog } from './action-dialog';

export function RestartDialog({ deployment, onClose }: { deployment: string; onClose: () => void }) {
  return (
    <ActionDialog
      action={{ kind: 'restart', deployment }}
      title={`Restart ${deployment}?`}
      confirmLabel="Restart"
      onClose={onClose}
    />
  );
}

export function DeletePodDialog({ pod, onClose }: { pod: string; onClose: () => void }) {
  return (
    <ActionDialog
      action={{ kind: 'delete_pod', pod }}
      title={`Delete ${pod}?`}
      confirmLabel="Delete"
      tone="danger"
      onClose={onClose}
    />
  );
}
