import { formatCount, formatDuration } from '@/lib/format';

import type { Quantity } from './series';

/** One line of a chart. Hues are told apart at the lightness of `--trace`; limits are quiet and dashed. */
export interface Line {
  quantity: Quantity;
  name: string;
  hue: number | 'limit' | 'ink';
  stepped?: boolean;
  filled?: boolean;
  dashed?: boolean;
  width?: number;
}

export interface ChartShape {
  id: string;
  title: string;
  height: number;
  lines: readonly Line[];
  format: (value: number) => string;
  /** The smallest upper end of the scale, so that a quiet line does not look like a storm. */
  atLeast: number;
  /** Whole numbers only on the axis. */
  whole?: boolean;
}

/** Everything on one time axis, what the autoscaler decides above what it decides about. */
export function chartShapes(metric: { name: string; suffix: string }): ChartShape[] {
  return [
    {
      id: 'replicas',
      title: 'Replicas',
      height: 168,
      atLeast: 3,
      whole: true,
      format: formatCount,
      lines: [
        { quantity: 'max', name: 'max', hue: 'limit', stepped: true, dashed: true },
        { quantity: 'min', name: 'min', hue: 'limit', stepped: true, dashed: true },
        { quantity: 'ready', name: 'ready', hue: 160, stepped: true, filled: true, width: 1.5 },
        { quantity: 'current', name: 'current', hue: 300, stepped: true, width: 1.5 },
        { quantity: 'desired', name: 'desired', hue: 222, stepped: true, width: 2.25 },
      ],
    },
    {
      id: 'metric',
      title: `${metric.name} against target`,
      height: 112,
      atLeast: metric.suffix === ' %' ? 60 : 1,
      format: (value) => `${formatCount(value)}${metric.suffix}`,
      lines: [
        { quantity: 'target', name: 'target', hue: 'limit', stepped: true, dashed: true },
        { quantity: 'metric', name: metric.name, hue: 45, filled: true, width: 1.75 },
      ],
    },
    {
      id: 'tokens',
      title: 'Tokens per second',
      height: 92,
      atLeast: 10,
      format: (value) => (value > 0 && value < 10 ? value.toFixed(1) : formatCount(value)),
      lines: [{ quantity: 'tokens_per_second', name: 'all backends', hue: 222, filled: true, width: 1.75 }],
    },
    {
      id: 'ttft',
      title: 'Time to first token',
      height: 92,
      atLeast: 500,
      format: formatDuration,
      lines: [{ quantity: 'ttft_ms', name: 'mean', hue: 340, filled: true, width: 1.75 }],
    },
    {
      id: 'requests',
      title: 'Requests',
      height: 92,
      atLeast: 4,
      whole: true,
      format: formatCount,
      lines: [
        { quantity: 'in_flight', name: 'in flight', hue: 160, filled: true, width: 1.75 },
        { quantity: 'queue_depth', name: 'waiting', hue: 45, width: 1.75 },
      ],
    },
  ];
}
