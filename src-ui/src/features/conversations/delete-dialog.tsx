import { useMatchRoute, useNavigate } from '@tanstack/react-router';

import { errorMessage } from '@/api/error';
import type { ConversationSummary } from '@/api/types';
import { ConfirmDialog } from '@/components/ui/confirm-dialog';
import { notify } from '@/components/notices';
import { formatTitle } from '@/lib/format';

import { useDelete } from './use-conversation-actions';

interface DeleteDialogProps {
  conversation: ConversationSummary;
  open: boolean;
  onClose: () => void;
}

export function DeleteDialog({ conversation, open, onClose }: DeleteDialogProps) {
  const remove = useDelete(conversation.id);
  const matchRoute = useMatchRoute();
  const navigate = useNavigate();

  // The row is gone before the promise is kept, and callbacks given to `mutate` would go with it.
  const confirm = async () => {
    const shown = matchRoute({ to: '/c/$conversationId', params: { conversationId: conversation.id } });
    try {
      await remove.mutateAsync();
      if (shown) await navigate({ to: '/' });
    } catch (error) {
      notify(`“${formatTitle(conversation.title)}” was not deleted. ${errorMessage(error)}`);
    }
  };

  return (
    <ConfirmDialog
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
      title="Delete this chat?"
      confirmLabel="Delete"
      tone="danger"
      onConfirm={() => void confirm()}
    >
      “{formatTitle(conversation.title)}” and all its messages will be gone. This cannot be undone.
    </ConfirmDialog>
  );
}
