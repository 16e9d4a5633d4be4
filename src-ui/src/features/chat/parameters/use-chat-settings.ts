import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';

import { changeConversation } from '@/api/conversations';
import { errorMessage } from '@/api/error';
import { keys } from '@/api/queries';
import { notify } from '@/components/notices';

import { updateConversation } from '../conversation-cache';
import type { ChatSettings } from './new-chat-settings';

const SAVE_AFTER_MS = 400;

interface SettingsOfChat {
  /** Shown at once, saved when the typing pauses or the chat is left. */
  change: (change: Partial<ChatSettings>) => void;
  /** Saves what waits. Resolves when the server has answered to every change so far, also with a failure. */
  saved: () => Promise<void>;
}

/** Changes a conversation's settings. */
export function useChatSettings(conversationId: string): SettingsOfChat {
  const queryClient = useQueryClient();
  const unsaved = useRef<{ change: Partial<ChatSettings>; timer: ReturnType<typeof setTimeout> } | null>(
    null,
  );
  const saving = useRef(Promise.resolve());

  const save = useCallback(
    ({ leaving }: { leaving: boolean }): Promise<void> => {
      if (unsaved.current === null) return saving.current;
      const { change, timer } = unsaved.current;
      clearTimeout(timer);
      unsaved.current = null;
      const put = async () => {
        try {
          await changeConversation(conversationId, change, { keepalive: leaving });
        } catch (error) {
          notify(`The chat's settings were not saved. ${errorMessage(error)}`);
          await queryClient.invalidateQueries({ queryKey: keys.conversation(conversationId) });
        }
      };
      // One after the other, so that the last change is the one that stays; a page that goes away cannot wait.
      saving.current = leaving ? put() : saving.current.then(put);
      return saving.current;
    },
    [queryClient, conversationId],
  );

  useEffect(() => {
    const saveLeaving = () => void save({ leaving: true });
    window.addEventListener('pagehide', saveLeaving);
    return () => {
      window.removeEventListener('pagehide', saveLeaving);
      void save({ leaving: false });
    };
  }, [save]);

  const change = useCallback(
    (change: Partial<ChatSettings>) => {
      updateConversation(queryClient, conversationId, (conversation) => ({ ...conversation, ...change }));
      if (unsaved.current) clearTimeout(unsaved.current.timer);
      unsaved.current = {
        change: { ...unsaved.current?.change, ...change },
        timer: setTimeout(() => void save({ leaving: false }), SAVE_AFTER_MS),
      };
    },
    [queryClient, conversationId, save],
  );
  const saved = useCallback(() => save({ leaving: false }), [save]);
  return { change, saved };
}
