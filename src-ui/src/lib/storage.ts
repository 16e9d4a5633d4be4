/** `localStorage` that never throws: private windows and full disks lose convenience, not the page. */
export const storage = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(PREFIX + key);
    } catch {
      return null;
    }
  },
  /** An empty or missing value removes the entry. */
  set(key: string, value: string | null): void {
    try {
      if (value) localStorage.setItem(PREFIX + key, value);
      else localStorage.removeItem(PREFIX + key);
    } catch {
      // Nothing to do: the value lives on in memory.
    }
  },
};

const PREFIX = 'flotilla.';
