const MINUTE = 60_000;

export const RANGES = [
  { value: 15 * MINUTE, label: '15 min' },
  { value: 60 * MINUTE, label: '1 h' },
  { value: 360 * MINUTE, label: '6 h' },
  { value: 1_440 * MINUTE, label: '1 day' },
] as const;

export type Range = (typeof RANGES)[number]['value'];
