import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { ApiError, errorMessage } from '@/api/error';
import { conversationQuery } from '@/api/queries';
import type { ConversationWithMessages } from '@/api/types';
import { Alert } from '@/components/alert';
import { Button, buttonVariants } from '@/components/ui/button';
import { Skeleton } from '@/components/ui/skeleton';
import { ConversationView } from '@/features/chat/conversation-view';
import { ChatSettingsPanel } from '@/features/chat/parameters/chat-settings-panel';
import { changedSettings } from '@/features/chat/parameters/new-chat-settings';
import { useChatSettings } from '@/features/chat/parameters/use-chat-settings';
import { ModelPicker } from '@/features/models/model-picker';
import { formatTitle } from '@/lib/format';
import { useSidebar } from '@/sidebar-state';

import { ChatHeader } from './chat-header';

export function ConversationPage() {
  const { conversationId } = useParams({ from: '/c/$conversationId' });
  const { message } = useSearch({ from: '/c/$conversationId' });
  const { data, error, refetch } = useQuery(conversationQuery(conversationId));

  if (data) return <LoadedConversation key={conversationId} data={data} target={message ?? null} />;
  if (error) return <NotLoaded error={error} onRetry={() => void refetch()} />;
  return <LoadingConversation />;
}

function LoadedConversation({ data, target }: { data: ConversationWithMessages; target: string | null }) {
  const { conversation } = data;
  const [settingsOpen, setSettingsOpen] = useState(false);
  const openSidebar = useSidebar((state) => state.show);
  const { change, saved } = useChatSettings(conversation.id);
  const title = formatTitle(conversation.title);
  const settings = { system_prompt: conversation.system_prompt, parameters: conversation.parameters ?? {} };

  useEffect(() => {
    document.title = `${title} · Flotilla`;
  }, [title]);

  return (
    <>
      <ChatHeader
        title={title}
        modelPicker={<ModelPicker value={conversation.model} onChange={(model) => change({ model })} />}
        changed={changedSettings(settings)}
        onOpenSettings={() => setSettingsOpen(true)}
        onOpenSidebar={openSidebar}
      />
      <ConversationView data={data} target={target} settingsSaved={saved} />
      <ChatSettingsPanel
        open={settingsOpen}
        onOpenChange={setSettingsOpen}
        settings={settings}
        onChange={change}
      />
    </>
  );
}

function NotLoaded({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const missing = error instanceof ApiError && error.code === 'not_found';
  return (
    <div className="m-auto w-full max-w-md p-6">
      <Alert
        tone={missing ? 'warning' : 'danger'}
        actions={
          missing ? (
            <Link to="/" className={buttonVariants({ size: 'sm' })}>
              New chat
            </Link>
          ) : (
            <Button size="sm" onClick={onRetry}>
              Retry
            </Button>
          )
        }
      >
        {missing ? 'This chat does not exist. It may have been deleted.' : errorMessage(error)}
      </Alert>
    </div>
  );
}

function LoadingConversation() {
  return (
    <div role="status" className="flex flex-1 flex-col">
      <span className="sr-only">Loading chat</span>
      <div className="flex h-14 items-center border-b border-line px-6">
        <Skeleton className="h-4 w-48" />
      </div>
      <div className="mx-auto w-full max-w-[46rem] space-y-4 px-6 pt-8">
        <Skeleton className="ml-auto h-11 w-3/5 rounded-2xl" />
        <Skeleton className="h-4 w-11/12" />
        <Skeleton className="h-4 w-4/5" />
        <Skeleton className="h-4 w-2/3" />
      </div>
    </div>
  );
}
