import { useCallback, useEffect, useRef, useState } from 'react';

import { storage } from '@/lib/storage';

const SAVE_AFTER_MS = 250;

/** The text being written in a chat, kept across reloads and changes of chat. Mount it once per scope. */
export function useDraft(scope: string) {
  const key = `draft.${scope}`;
  const [text, setText] = useState(() => storage.get(key) ?? '');
  const pending = useRef<{ text: string; timer: ReturnType<typeof setTimeout> } | null>(null);

  const save = useCallback(() => {
    if (pending.current === null) return;
    clearTimeout(pending.current.timer);
    storage.set(key, pending.current.text);
    pending.current = null;
  }, [key]);

  const change = useCallback(
    (next: string) => {
      setText(next);
      if (pending.current) clearTimeout(pending.current.timer);
      pending.current = { text: next, timer: setTimeout(save, SAVE_AFTER_MS) };
      if (next === '') save();
    },
    [save],
  );

  useEffect(() => {
    window.addEventListener('pagehide', save);
    return () => {
      window.removeEventListener('pagehide', save);
      save();
    };
  }, [save]);

  return [text, change] as const;
}
