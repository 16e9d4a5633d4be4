import { Outlet, useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';

import { Notices } from '@/components/notices';
import { OpenLinkDialog } from '@/components/open-link';
import { Dialog } from '@/components/ui/dialog';
import { AccessTokenDialog } from '@/features/access/access-token-dialog';
import { useMediaQuery } from '@/lib/use-media-query';

import { Sidebar } from './sidebar';
import { useSidebar } from './sidebar-state';

/** Tailwind's `md`, as index.css sets it. */
const WIDE = '(min-width: 50rem)';

/** The frame around every page: the sidebar, or a drawer in its place where the window is narrow. */
export function Shell() {
  const { open, show, hide } = useSidebar();
  const wide = useMediaQuery(WIDE);
  useNewChatShortcut();
  return (
    <div className="flex h-full">
      {wide ? (
        <aside aria-label="Sidebar" className="w-[17rem] shrink-0 border-r border-line">
          <Sidebar />
        </aside>
      ) : (
        <Dialog
          open={open}
          onOpenChange={(next) => (next ? show() : hide())}
          placement="left"
          title="Chats"
          titleHidden
        >
          <Sidebar onLeave={hide} />
        </Dialog>
      )}
      <main className="flex min-w-0 flex-1 flex-col">
        <Outlet />
      </main>
      <OpenLinkDialog />
      <AccessTokenDialog />
      <Notices />
    </div>
  );
}

function useNewChatShortcut(): void {
  const navigate = useNavigate();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || !event.shiftKey || event.key.toLowerCase() !== 'o') return;
      event.preventDefault();
      void navigate({ to: '/' });
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [navigate]);
}
