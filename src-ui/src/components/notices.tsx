import { X } from 'lucide-react';
import { create } from 'zustand';

import { Alert } from './alert';
import { IconButton } from './ui/icon-button';

const useNotices = create<{ notices: { id: number; text: string }[] }>()(() => ({ notices: [] }));
let nextId = 0;

/** Tells of a failure that has no place of its own on the page. Stays until it is dismissed. */
export function notify(text: string): void {
  nextId += 1;
  const notice = { id: nextId, text };
  useNotices.setState(({ notices }) => ({ notices: [...notices.slice(-2), notice] }));
}

export function Notices() {
  const notices = useNotices((state) => state.notices);
  const dismiss = (id: number) =>
    useNotices.setState((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) }));
  return (
    <div className="pointer-events-none fixed inset-x-0 top-3 z-50 mx-auto flex w-[min(32rem,calc(100vw-1.5rem))] flex-col gap-2">
      {notices.map(({ id, text }) => (
        <Alert
          key={id}
          className="pointer-events-auto border border-danger/25 shadow-pop"
          actions={
            <IconButton label="Dismiss" size="sm" onClick={() => dismiss(id)}>
              <X />
            </IconButton>
          }
        >
          {text}
        </Alert>
      ))}
    </div>
  );
}
