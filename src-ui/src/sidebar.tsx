import { Link, useMatchRoute } from '@tanstack/react-router';
import { MessageSquare, Ship, Settings, SquarePen } from 'lucide-react';
import { useState } from 'react';

import { Logo } from '@/components/logo';
import { IconButton } from '@/components/ui/icon-button';
import { ConversationsPanel } from '@/features/conversations/conversations-panel';
import { SettingsDialog } from '@/features/settings/settings-dialog';
import { platform } from '@/platform';

/** Where to go: a new chat, an earlier one, the cluster, the settings. */
export function Sidebar({ onLeave }: { onLeave?: () => void }) {
  const [settingsOpen, setSettingsOpen] = useState(false);
  return (
    <div className="flex h-full flex-col bg-sunken">
      <div className="flex h-14 shrink-0 items-center justify-between pr-3 pl-4">
        <Link to="/" onClick={onLeave} className="flex items-center gap-2.5 rounded-lg">
          <Logo className="size-6 text-accent" />
          <span className="text-base font-semibold tracking-[-0.02em]">Flotilla</span>
        </Link>
        <IconButton label="Settings" onClick={() => setSettingsOpen(true)}>
          <Settings />
        </IconButton>
      </div>
      {platform.capabilities.cluster && <Tabs onLeave={onLeave} />}
      <div className="px-3 pt-1 pb-2">
        <Link
          to="/"
          onClick={onLeave}
          className="flex h-9 items-center gap-2.5 rounded-lg border border-line bg-raised px-2.5 text-sm font-medium shadow-rest transition-colors duration-150 hover:border-accent"
        >
          <SquarePen className="size-4 text-accent" aria-hidden="true" />
          New chat
        </Link>
      </div>
      <ConversationsPanel {...(onLeave ? { onOpen: onLeave } : {})} />
      <SettingsDialog open={settingsOpen} onOpenChange={setSettingsOpen} />
    </div>
  );
}

function Tabs({ onLeave }: { onLeave: (() => void) | undefined }) {
  const inCluster = useMatchRoute()({ to: '/cluster' }) !== false;
  const tab = (current: boolean) =>
    ({
      'aria-current': current ? 'page' : undefined,
      onClick: onLeave,
      className:
        'flex h-8 items-center justify-center gap-2 rounded-lg text-sm text-muted transition-colors duration-150 hover:text-ink aria-[current]:bg-raised aria-[current]:font-medium aria-[current]:text-ink aria-[current]:shadow-rest dark:aria-[current]:bg-hover',
    }) as const;
  return (
    <nav
      aria-label="Sections"
      className="mx-3 mb-2 grid grid-cols-2 gap-1 rounded-xl bg-hover p-1 dark:bg-canvas"
    >
      <Link to="/" {...tab(!inCluster)}>
        <MessageSquare className="size-4" aria-hidden="true" />
        Chats
      </Link>
      <Link to="/cluster" {...tab(inCluster)}>
        <Ship className="size-4" aria-hidden="true" />
        Cluster
      </Link>
    </nav>
  );
}
