/** Web storage that never throws: private windows and full disks lose convenience, not the page. */
const guarded = (area: () => Storage) => ({
  get(key: string): string | null {
    try {
      return area().getItem(PREFIX + key);
    } catch {
      return null;
    }
  },
  /** An empty or missing value removes the entry. */
  set(key: string, value: string | null): void {
    try {
      if (value) area().setItem(PREFIX + key, value);
      else area().removeItem(PREFIX + key);
    } catch {
      // Nothing to do: the value lives on in memory.
    }
  },
});

const PREFIX = 'flotilla.';

export const storage = guarded(() => localStorage);

/** Forgotten when the tab is closed, and unknown to other tabs. */
export const tabStorage = guarded(() => sessionStorage);
