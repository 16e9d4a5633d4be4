import { useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';

import { changeConversation } from '@/api/conversations';
import { errorMessage } from '@/api/error';
import { keys } from '@/api/queries';
import { postRun } from '@/api/runs';
import type { ConversationWithMessages } from '@/api/types';
import { notify } from '@/components/notices';
import { uuidv7 } from '@/lib/uuid';

import { useUnsentStore } from './compose/unsent';
import { useSend } from './compose/use-send';
import { addTurn, updateConversation } from './conversation-cache';
import type { ThreadActions } from './thread-actions';
import { newestLeaf } from './tree/branch';

/** The thread's actions on a conversation that exists. New answers begin when its settings are saved. */
export function useThreadActionsFor(
  conversationId: string,
  settingsSaved: () => Promise<void>,
): ThreadActions {
  const queryClient = useQueryClient();
  const { send, retry } = useSend(conversationId, settingsSaved);

  return useMemo(() => {
    const answerAgain = async (userMessageId: string) => {
      try {
        await settingsSaved();
        addTurn(queryClient, await postRun(conversationId, { parent_id: userMessageId }));
      } catch (error) {
        notify(`No new answer was started. ${errorMessage(error)}`);
      }
    };

    const showBranch = async (messageId: string) => {
      const data = queryClient.getQueryData<ConversationWithMessages>(keys.conversation(conversationId));
      if (!data) return;
      const headId = newestLeaf(data.messages, messageId);
      updateConversation(queryClient, conversationId, (conversation) => ({
        ...conversation,
        head_id: headId,
      }));
      try {
        await changeConversation(conversationId, { head_id: headId });
      } catch (error) {
        notify(`The choice of version was not saved. ${errorMessage(error)}`);
      }
    };

    return {
      edit: (message, content) => void send(content, message.parent_id),
      answerAgain: (userMessageId) => void answerAgain(userMessageId),
      showBranch: (messageId) => void showBranch(messageId),
      retryUnsent: (unsent) => void retry(unsent),
      // A new id, because the server may have the first text under the old one.
      editUnsent: (unsent, content) => void retry({ ...unsent, id: uuidv7(), content }),
      discardUnsent: () => useUnsentStore.getState().remove(conversationId),
    };
  }, [queryClient, conversationId, settingsSaved, send, retry]);
}
