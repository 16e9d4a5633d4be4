import { PanelLeft, SlidersHorizontal } from 'lucide-react';
import type { ReactNode } from 'react';

import { IconButton } from '@/components/ui/icon-button';

interface ChatHeaderProps {
  title: string;
  modelPicker: ReactNode;
  /** How many chat settings differ from the defaults. */
  changed: number;
  onOpenSettings: () => void;
  onOpenSidebar: () => void;
}

export function ChatHeader({ title, modelPicker, changed, onOpenSettings, onOpenSidebar }: ChatHeaderProps) {
  return (
    <header className="flex h-14 shrink-0 items-center gap-3 border-b border-line px-3 sm:px-6">
      <IconButton label="Open chats" onClick={onOpenSidebar} className="md:hidden">
        <PanelLeft />
      </IconButton>
      <h1 className="min-w-0 shrink truncate text-sm font-semibold">{title}</h1>
      <span className="text-line-strong" aria-hidden="true">
        /
      </span>
      <div className="min-w-0 flex-1 px-2">{modelPicker}</div>
      <IconButton
        label={changed === 0 ? 'Chat settings' : `Chat settings, ${changed} changed`}
        onClick={onOpenSettings}
        className="relative"
      >
        <SlidersHorizontal />
        {changed > 0 && (
          <span className="absolute top-1.5 right-1.5 size-2 rounded-full bg-accent ring-2 ring-canvas" />
        )}
      </IconButton>
    </header>
  );
}
