import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';

import { modelsQuery } from '@/api/queries';
import { uuidv7 } from '@/lib/uuid';

import { Composer } from './compose/composer';
import { contextBudget } from './compose/context-budget';
import { NEW_CHAT, useUnsentStore } from './compose/unsent';
import { useSendFirst } from './compose/use-send';
import { useNewChatSettings } from './parameters/new-chat-settings';
import { Thread } from './thread';
import { ThreadActionsContext, type ThreadActions } from './thread-actions';
import { threadItems } from './thread-items';
import { Welcome } from './welcome';

/** The page before a conversation exists. The first message makes it. */
export function NewChatView({ onStarted }: { onStarted: (conversationId: string) => void }) {
  const unsent = useUnsentStore((state) => state.byScope[NEW_CHAT] ?? null);
  const settings = useNewChatSettings((state) => state.settings);
  const { data } = useQuery(modelsQuery());
  const model = data?.models.find(({ id }) => id === (settings.model ?? data.default)) ?? null;
  const budget = useMemo(() => contextBudget(settings, [], model?.context_length ?? null), [settings, model]);

  const { send, retry } = useSendFirst(settings, (conversationId) => {
    useNewChatSettings.getState().reset();
    onStarted(conversationId);
  });

  const actions: ThreadActions = {
    edit: () => undefined,
    answerAgain: () => undefined,
    showBranch: () => undefined,
    retryUnsent: (failed) => void retry(failed),
    editUnsent: (failed, content) => void retry({ ...failed, id: uuidv7(), content }),
    discardUnsent: () => useUnsentStore.getState().remove(NEW_CHAT),
  };

  return (
    <ThreadActionsContext value={actions}>
      {unsent ? (
        <Thread items={threadItems([], unsent)} target={null} />
      ) : (
        <Welcome model={model} onPick={(prompt) => void send(prompt)} />
      )}
      <Composer
        scope={NEW_CHAT}
        activity="idle"
        blocked={unsent !== null}
        budget={budget}
        onSend={(content) => void send(content)}
        onStop={() => undefined}
      />
    </ThreadActionsContext>
  );
}
