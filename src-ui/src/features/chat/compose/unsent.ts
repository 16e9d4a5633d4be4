import { create } from 'zustand';

import { storage } from '@/lib/storage';

/** A message on its way to the server, or one that did not get there. */
export interface Unsent {
  /** Made here, so sending it again is harmless. */
  id: string;
  conversationId: string;
  parentId: string | null;
  content: string;
  state: 'sending' | 'failed';
  /** Why it failed, as shown. */
  cause: string | null;
}

/** Where an unsent message belongs: a conversation's id, or the page that starts a new one. */
export type Scope = string;
export const NEW_CHAT: Scope = 'new';

interface UnsentStore {
  byScope: Partial<Record<Scope, Unsent>>;
  put: (scope: Scope, unsent: Unsent) => void;
  remove: (scope: Scope) => void;
}

// Above the store, which reads it while it is made.
const STORAGE_KEY = 'unsent';

/** Prompts that the server does not have yet. Kept on disk, so that a reload or a crash cannot lose one. */
export const useUnsentStore = create<UnsentStore>()((set, get) => {
  const save = (byScope: UnsentStore['byScope']) => {
    set({ byScope });
    storage.set(STORAGE_KEY, Object.keys(byScope).length > 0 ? JSON.stringify(byScope) : null);
  };
  return {
    byScope: load(),
    put: (scope, unsent) => save({ ...get().byScope, [scope]: unsent }),
    remove: (scope) =>
      save(Object.fromEntries(Object.entries(get().byScope).filter(([other]) => other !== scope))),
  };
});

function load(): UnsentStore['byScope'] {
  try {
    const stored = JSON.parse(storage.get(STORAGE_KEY) ?? '{}') as Record<Scope, Unsent>;
    return Object.fromEntries(
      Object.entries(stored).map(([scope, unsent]) => [
        scope,
        unsent.state === 'failed' ? unsent : cutOff(unsent),
      ]),
    );
  } catch {
    return {};
  }
}

function cutOff(unsent: Unsent): Unsent {
  return { ...unsent, state: 'failed', cause: 'The page was closed before this message was sent.' };
}
