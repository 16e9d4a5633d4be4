import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';

import { errorMessage } from '@/api/error';
import { modelsQuery } from '@/api/queries';
import type { ConversationWithMessages } from '@/api/types';
import { notify } from '@/components/notices';

import { AnswerAnnouncer } from './answer-announcer';
import { Composer } from './compose/composer';
import { contextBudget } from './compose/context-budget';
import { useUnsentStore } from './compose/unsent';
import { useSend } from './compose/use-send';
import { runFeed, useRunActivity, useSettledRun } from './stream/use-run';
import { Thread } from './thread';
import { ThreadActionsContext } from './thread-actions';
import { threadItems } from './thread-items';
import { visibleBranch } from './tree/branch';
import { useLatestAnswerShortcut } from './use-latest-answer-shortcut';
import { useThreadActionsFor } from './use-thread-actions';

interface ConversationViewProps {
  data: ConversationWithMessages;
  /** A message to bring into view, on whichever branch it is. */
  target: string | null;
  /** Resolves when the server knows the settings on screen; an answer waits for it. */
  settingsSaved: () => Promise<void>;
}

/** A conversation that exists: its visible branch and the composer. Give it the conversation's id as `key`. */
export function ConversationView({
  data: { conversation, messages },
  target,
  settingsSaved,
}: ConversationViewProps) {
  const { id } = conversation;
  const unsent = useUnsentStore((state) => state.byScope[id] ?? null);
  const branch = useMemo(
    () => visibleBranch(messages, conversation.head_id),
    [messages, conversation.head_id],
  );
  const items = useMemo(() => threadItems(branch, unsent), [branch, unsent]);
  const last = branch.at(-1)?.message ?? null;
  const runId = last?.status === 'streaming' ? last.run_id : null;
  const activity = useRunActivity(runId);
  const modelLimit = useModelLimit(conversation.model);
  const budget = useMemo(
    () => contextBudget(conversation, branch, modelLimit),
    [conversation, branch, modelLimit],
  );
  const actions = useThreadActionsFor(id, settingsSaved);
  const { send } = useSend(id, settingsSaved);
  useSettledRun(id, runId);
  useLatestAnswerShortcut();

  const onBranch = target === null || branch.some(({ message }) => message.id === target);
  useEffect(() => {
    if (!onBranch && messages.some((message) => message.id === target)) actions.showBranch(target);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a jump happens once per target; afterwards the reader chooses
  }, [target]);

  const stop = () => {
    if (runId === null) return;
    runFeed(runId)
      .stop()
      .catch((error: unknown) => notify(`The answer could not be stopped. ${errorMessage(error)}`));
  };

  return (
    <ThreadActionsContext value={actions}>
      <Thread items={items} target={target} />
      <AnswerAnnouncer activity={activity} status={last?.status ?? null} />
      <Composer
        key={id}
        scope={id}
        activity={activity}
        blocked={unsent !== null}
        budget={budget}
        onSend={(content) => void send(content, last?.id ?? null)}
        onStop={stop}
      />
    </ThreadActionsContext>
  );
}

function useModelLimit(model: string | null): number | null {
  const { data } = useQuery(modelsQuery());
  const id = model ?? data?.default;
  return data?.models.find((candidate) => candidate.id === id)?.context_length ?? null;
}
