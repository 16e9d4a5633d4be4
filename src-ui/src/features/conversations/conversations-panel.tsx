import { useEffect, useRef, useState } from 'react';

import { useDebounced } from '@/lib/use-debounced';

import { ConversationList } from './conversation-list';
import { SearchField } from './search-field';

const SEARCH_AFTER_MS = 180;

/** The search field and the chats below it. Ctrl+K or ⌘K goes to the field. */
export function ConversationsPanel({ onOpen }: { onOpen?: () => void }) {
  const [query, setQuery] = useState('');
  const settled = useDebounced(query.trim(), SEARCH_AFTER_MS);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      field.current?.focus();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="px-3 pb-2">
        <SearchField ref={field} value={query} onChange={setQuery} />
      </div>
      <nav aria-label="Chats" className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        <ConversationList query={query.trim() === '' ? '' : settled} {...(onOpen ? { onOpen } : {})} />
      </nav>
    </div>
  );
}
