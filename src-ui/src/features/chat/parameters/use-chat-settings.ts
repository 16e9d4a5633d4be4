import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';

import { changeConversation } from '@/api/conversations';
import { errorMessage } from '@/api/error';
import { keys } from '@/api/queries';
import { notify } from '@/components/notices';

import { updateConversation } from '../conversation-cache';
import type { ChatSettings } from './new-chat-settings';

const SAVE_AFTER_MS = 400;

/** Changes a conversation's settings: shown at once, saved when the typing pauses or the chat is left. */
export function useChatSettings(conversationId: string): (change: Partial<ChatSettings>) => void {
  const queryClient = useQueryClient();
  const unsaved = useRef<{ change: Partial<ChatSettings>; timer: ReturnType<typeof setTimeout> } | null>(
    null,
  );

  const save = useCallback(async () => {
    if (unsaved.current === null) return;
    const { change, timer } = unsaved.current;
    clearTimeout(timer);
    unsaved.current = null;
    try {
      await changeConversation(conversationId, change);
    } catch (error) {
      notify(`The chat's settings were not saved. ${errorMessage(error)}`);
      await queryClient.invalidateQueries({ queryKey: keys.conversation(conversationId) });
    }
  }, [queryClient, conversationId]);

  useEffect(() => {
    const saveNow = () => void save();
    window.addEventListener('pagehide', saveNow);
    return () => {
      window.removeEventListener('pagehide', saveNow);
      saveNow();
    };
  }, [save]);

  return useCallback(
    (change) => {
      updateConversation(queryClient, conversationId, (conversation) => ({ ...conversation, ...change }));
      if (unsaved.current) clearTimeout(unsaved.current.timer);
      unsaved.current = {
        change: { ...unsaved.current?.change, ...change },
        timer: setTimeout(() => void save(), SAVE_AFTER_MS),
      };
    },
    [queryClient, conversationId, save],
  );
}
