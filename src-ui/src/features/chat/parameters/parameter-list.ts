import type { Parameters } from '@/api/types';

export type NumberParameter = Exclude<keyof Parameters, 'stop'>;

export interface ParameterInfo {
  name: NumberParameter;
  label: string;
  hint: string;
  min: number;
  max: number;
  /** 1 for whole numbers. */
  step: number;
}

/** The ranges are the server's own. */
export const NUMBER_PARAMETERS: ParameterInfo[] = [
  {
    name: 'temperature',
    label: 'Temperature',
    hint: '0 is predictable, 2 is wild',
    min: 0,
    max: 2,
    step: 0.05,
  },
  { name: 'top_p', label: 'Top P', hint: 'Only the likeliest share of tokens', min: 0, max: 1, step: 0.05 },
  { name: 'top_k', label: 'Top K', hint: 'Only this many tokens; 0 is off', min: 0, max: 1000, step: 1 },
  { name: 'min_p', label: 'Min P', hint: 'Drops tokens far below the best', min: 0, max: 1, step: 0.01 },
  { name: 'max_tokens', label: 'Longest answer', hint: 'In tokens', min: 1, max: 1_000_000, step: 1 },
  { name: 'repeat_penalty', label: 'Repeat penalty', hint: '1 is off', min: 0.05, max: 2, step: 0.05 },
  {
    name: 'frequency_penalty',
    label: 'Frequency penalty',
    hint: 'Against words used often',
    min: -2,
    max: 2,
    step: 0.1,
  },
  {
    name: 'presence_penalty',
    label: 'Presence penalty',
    hint: 'Against words used at all',
    min: -2,
    max: 2,
    step: 0.1,
  },
  {
    name: 'seed',
    label: 'Seed',
    hint: 'The same seed repeats an answer',
    min: 0,
    max: 4_294_967_295,
    step: 1,
  },
];

export const MAX_STOPS = 8;
export const MAX_STOP_BYTES = 64;

/** What is wrong with a number, or `null`. */
export function numberProblem({ min, max, step }: ParameterInfo, value: number): string | null {
  if (Number.isNaN(value) || value < min || value > max) return `Between ${min} and ${max}`;
  return step === 1 && !Number.isInteger(value) ? 'A whole number' : null;
}

/** What is wrong with the stop texts, or `null`. */
export function stopProblem(stops: string[]): string | null {
  if (stops.length > MAX_STOPS) return `At most ${MAX_STOPS} lines`;
  const tooLong = stops.some((stop) => new TextEncoder().encode(stop).length > MAX_STOP_BYTES);
  return tooLong ? `At most ${MAX_STOP_BYTES} bytes a line` : null;
}
