import type { Autoscaler, Sample } from '@/platform/cluster-types';

export type Quantity = Exclude<keyof Sample, 'at'>;

/** Columns as uPlot takes them, `x` in seconds. A hole in the recording is a row of nulls, so that no line spans it. */
export interface Columns {
  x: number[];
  values: Record<Quantity, (number | null)[]>;
}

export const QUANTITIES = [
  'desired',
  'current',
  'ready',
  'min',
  'max',
  'metric',
  'target',
  'tokens_per_second',
  'ttft_ms',
  'queue_depth',
  'in_flight',
] as const satisfies readonly Quantity[];

/** Samples come every 15 seconds; when three are missing nobody was looking. */
const HOLE_MS = 60_000;

/** The samples since `from`, and the one before it, so that lines come in from the edge. */
export function columnsOf(samples: readonly Sample[], from: number): Columns {
  const first = Math.max(0, samples.findIndex(({ at }) => at >= from) - 1);
  const shown = samples.some(({ at }) => at >= from) ? samples.slice(first) : [];
  const columns: Columns = { x: [], values: emptyValues() };
  let previous: number | null = null;
  for (const sample of shown) {
    if (previous !== null && sample.at - previous > HOLE_MS) push(columns, previous + 1, null);
    push(columns, sample.at, sample);
    previous = sample.at;
  }
  return columns;
}

function push({ x, values }: Columns, at: number, sample: Sample | null): void {
  x.push(at / 1000);
  for (const quantity of QUANTITIES) values[quantity].push(sample?.[quantity] ?? null);
}

function emptyValues(): Columns['values'] {
  return Object.fromEntries(QUANTITIES.map((quantity) => [quantity, []])) as unknown as Columns['values'];
}

/** The metric that the samples hold is the first of the autoscaler's. */
export function metricUnit(autoscaler: Autoscaler | undefined): { name: string; suffix: string } {
  const metric = autoscaler?.metrics[0];
  if (!metric) return { name: 'Metric', suffix: '' };
  const name = metric.name === 'cpu' ? 'CPU' : metric.name === 'memory' ? 'Memory' : metric.name;
  return { name, suffix: metric.unit === 'percent' ? ' %' : '' };
}
