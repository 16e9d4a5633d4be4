/** The UI is written in English, so its numbers and dates are too. */
export const LOCALE = 'en-GB';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `98 MB`, `4.7 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const exponent = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** exponent;
  return `${value.toLocaleString(LOCALE, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${units[exponent] ?? ''}`;
}

/** `135M`, `3.2B`: the number of a model's weights. */
export function formatWeights(weights: number): string {
  const [unit, size] = weights < 1e9 ? ['M', 1e6] : ['B', 1e9];
  const value = weights / size;
  return `${value.toLocaleString(LOCALE, { maximumFractionDigits: value < 10 ? 1 : 0 })}${unit}`;
}

/** `850 ms`, `1.2 s`, `2 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < MINUTE) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / MINUTE)} min ${Math.round((milliseconds % MINUTE) / 1000)} s`;
}

/** `2,048`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString(LOCALE);
}

const ORDINALS = new Intl.PluralRules(LOCALE, { type: 'ordinal' });
const ORDINAL_ENDINGS: Record<string, string> = { one: 'st', two: 'nd', few: 'rd' };

/** `1st`, `2nd`, `23rd`. */
export function formatOrdinal(place: number): string {
  return `${formatCount(place)}${ORDINAL_ENDINGS[ORDINALS.select(place)] ?? 'th'}`;
}

/** `2K`, `128K`: context lengths as people name them. */
export function formatContextLength(tokens: number): string {
  if (tokens < 1024) return String(tokens);
  return `${(tokens / 1024).toLocaleString(LOCALE, { maximumFractionDigits: 1 })}K`;
}

/** `now`, `5m`, `3h`, `2d`, then a date. */
export function formatAge(time: string | number, now = Date.now()): string {
  const age = now - new Date(time).getTime();
  if (age < MINUTE) return 'now';
  if (age < HOUR) return `${Math.floor(age / MINUTE)}m`;
  if (age < DAY) return `${Math.floor(age / HOUR)}h`;
  if (age < 7 * DAY) return `${Math.floor(age / DAY)}d`;
  return new Date(time).toLocaleDateString(LOCALE, { day: 'numeric', month: 'short' });
}

/** The heading under which a day stands in a list: `Today`, `Yesterday`, `Previous 7 days`, `October 2026`. */
export function formatPeriod(time: string, now = new Date()): string {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const at = Date.parse(time);
  if (at >= midnight) return 'Today';
  if (at >= midnight - DAY) return 'Yesterday';
  if (at >= midnight - 7 * DAY) return 'Previous 7 days';
  return new Date(time).toLocaleDateString(LOCALE, { month: 'long', year: 'numeric' });
}

/** A conversation has no title until its first message. */
export function formatTitle(title: string): string {
  return title || 'New chat';
}

/** `23 Nov 2026, 14:05`. */
export function formatTime(time: string): string {
  return new Date(time).toLocaleString(LOCALE, { dateStyle: 'medium', timeStyle: 'short' });
}

/** `14:05:09`. */
export function formatClock(time: number): string {
  return new Date(time).toLocaleTimeString(LOCALE);
}

/** `23 Nov, 14:05`. */
export function formatMoment(time: number): string {
  return new Date(time).toLocaleString(LOCALE, {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
}

/** `1 chat`, `3 chats`. */
export function formatPlural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
