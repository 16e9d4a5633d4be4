import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { NewChatView } from '@/features/chat/new-chat-view';
import { ChatSettingsPanel } from '@/features/chat/parameters/chat-settings-panel';
import { changedSettings, useNewChatSettings } from '@/features/chat/parameters/new-chat-settings';
import { ModelPicker } from '@/features/models/model-picker';

import { useSidebar } from '@/sidebar-state';

import { ChatHeader } from './chat-header';

export function NewChatPage() {
  const { settings, change } = useNewChatSettings();
  const [settingsOpen, setSettingsOpen] = useState(false);
  const openSidebar = useSidebar((state) => state.show);
  const navigate = useNavigate();

  useEffect(() => {
    document.title = 'New chat · Flotilla';
  }, []);

  return (
    <>
      <ChatHeader
        title="New chat"
        modelPicker={<ModelPicker value={settings.model} onChange={(model) => change({ model })} />}
        changed={changedSettings(settings)}
        onOpenSettings={() => setSettingsOpen(true)}
        onOpenSidebar={openSidebar}
      />
      <NewChatView
        onStarted={(conversationId) =>
          void navigate({ to: '/c/$conversationId', params: { conversationId } })
        }
      />
      <ChatSettingsPanel
        open={settingsOpen}
        onOpenChange={setSettingsOpen}
        settings={settings}
        onChange={change}
      />
    </>
  );
}
