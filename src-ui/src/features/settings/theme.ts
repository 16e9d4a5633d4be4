import { create } from 'zustand';

import { storage } from '@/lib/storage';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORAGE_KEY = 'theme';
const systemIsDark = window.matchMedia('(prefers-color-scheme: dark)');

interface ThemeStore {
  theme: Theme;
  setTheme: (theme: Theme) => void;
}

export const useTheme = create<ThemeStore>()((set) => ({
  theme: storedTheme(),
  setTheme: (theme) => {
    storage.set(STORAGE_KEY, theme === 'system' ? null : theme);
    set({ theme });
    applyTheme();
  },
}));

/** Paints the chosen theme and follows the system's when that is the choice. Call it before the first render. */
export function startTheme(): void {
  applyTheme();
  systemIsDark.addEventListener('change', applyTheme);
}

function applyTheme(): void {
  const { theme } = useTheme.getState();
  const dark = theme === 'dark' || (theme === 'system' && systemIsDark.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

function storedTheme(): Theme {
  const stored = storage.get(STORAGE_KEY);
  return THEMES.find((theme) => theme === stored) ?? 'system';
}
