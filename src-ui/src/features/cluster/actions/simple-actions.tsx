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

interface ForwardDialogProps {
  service: string;
  port: number;
  onClose: () => void;
}

export function ForwardDialog({ service, port, onClose }: ForwardDialogProps) {
  return (
    <ActionDialog
      action={{ kind: 'forward', service, port }}
      title={`Forward port ${port} of ${service}?`}
      confirmLabel="Forward"
      onClose={onClose}
    />
  );
}
