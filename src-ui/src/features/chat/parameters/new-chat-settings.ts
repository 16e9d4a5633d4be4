import { create } from 'zustand';

import type { Parameters } from '@/api/types';

/** What a chat can be told before and while it goes on. */
export interface ChatSettings {
  model: string | null;
  system_prompt: string | null;
  parameters: Parameters;
}

const DEFAULTS: ChatSettings = { model: null, system_prompt: null, parameters: {} };

interface NewChatSettings {
  settings: ChatSettings;
  change: (settings: Partial<ChatSettings>) => void;
  reset: () => void;
}

/** The settings of the chat that is about to begin. */
export const useNewChatSettings = create<NewChatSettings>()((set) => ({
  settings: DEFAULTS,
  change: (changed) => set(({ settings }) => ({ settings: { ...settings, ...changed } })),
  reset: () => set({ settings: DEFAULTS }),
}));

/** How many settings differ from the defaults, the model not counted: its picker shows it. */
export function changedSettings({
  system_prompt,
  parameters,
}: Pick<ChatSettings, 'system_prompt' | 'parameters'>): number {
  const changed = Object.values(parameters).filter((value) => value !== null);
  return changed.length + (system_prompt ? 1 : 0);
}
