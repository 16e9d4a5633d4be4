import uPlot from 'uplot';

import { formatClock, formatMoment } from '@/lib/format';

import type { ChartShape, Line } from './charts';
import { strokeOf, token } from './paint';
import type { ScaleMark } from './scale-marks';

/** All charts of the page move one cursor. */
export const CURSOR = 'cluster-charts';

const GUTTER = 46;
const TIME_AXIS = 26;
const DAY_S = 86_400;
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const FONT = '11px Inter, system-ui, sans-serif';

interface Reactions {
  /** Asked at each drawing. */
  marks: () => readonly ScaleMark[];
  /** The row under the cursor, `null` when it is elsewhere. */
  onCursor: (row: number | null) => void;
}

/** How one chart looks. `withTimes` writes the times below it, `withMarks` the numbers of each scale event. */
export function chartOptions(
  shape: ChartShape,
  width: number,
  withTimes: boolean,
  { marks, onCursor }: Reactions,
): uPlot.Options {
  return {
    width,
    height: shape.height + (withTimes ? TIME_AXIS : 0),
    padding: [shape.id === 'replicas' ? 16 : 6, 8, withTimes ? 0 : 4, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: CURSOR, setSeries: false },
      points: { size: 7, width: 0, fill: (_, series) => lineColor(shape, series - 1) },
    },
    scales: {
      x: { time: true },
      y: { range: (_, __, max) => upTo(shape, max) },
    },
    axes: [
      {
        show: withTimes,
        size: TIME_AXIS,
        font: FONT,
        space: 70,
        stroke: () => token('muted'),
        grid: { show: false },
        ticks: { show: false },
        values: (plot, splits) => splits.map((second) => timeLabel(second * 1000, spanOf(plot))),
      },
      {
        size: GUTTER,
        font: FONT,
        space: 26,
        stroke: () => token('muted'),
        grid: { stroke: () => token('line'), width: 1 },
        ticks: { show: false },
        values: (_, splits) => splits.map((value) => shape.format(value)),
        ...(shape.whole ? { incrs: WHOLE_STEPS } : {}),
      },
    ],
    series: [{}, ...shape.lines.map(seriesOf)],
    hooks: {
      setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
      draw: [(plot) => drawMarks(plot, marks(), shape.id === 'replicas')],
    },
  };
}

function seriesOf(line: Line): uPlot.Series {
  return {
    stroke: () => strokeOf(line),
    width: line.width ?? 1,
    points: { show: false },
    spanGaps: false,
    ...(line.dashed ? { dash: [4, 4] } : {}),
    ...(line.filled ? { fill: () => strokeOf(line, 0.13) } : {}),
    ...(line.stepped && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
  };
}

function lineColor(shape: ChartShape, index: number): string {
  const line = shape.lines[index];
  return line ? strokeOf(line) : 'transparent';
}

/** From zero, with some air above the highest line. */
function upTo({ atLeast, whole }: ChartShape, max: number | null): uPlot.Range.MinMax {
  const top = Math.max(atLeast, max ?? 0);
  return [0, whole ? top + 0.6 : top * 1.12];
}

function spanOf(plot: uPlot): number {
  return (plot.scales.x?.max ?? 0) - (plot.scales.x?.min ?? 0);
}

function timeLabel(time: number, span: number): string {
  return span >= DAY_S / 2 ? formatMoment(time) : formatClock(time).slice(0, 5);
}

/** A hairline through every chart where the number of replicas changed, so that cause and effect line up. */
function drawMarks(plot: uPlot, marks: readonly ScaleMark[], withLabels: boolean): void {
  const { ctx, bbox } = plot;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.strokeStyle = token('line-strong');
  ctx.fillStyle = token('ink');
  ctx.lineWidth = ratio;
  ctx.font = `600 ${11 * ratio}px Inter, system-ui, sans-serif`;
  ctx.textAlign = 'center';
  ctx.setLineDash([2 * ratio, 3 * ratio]);
  let free = -Infinity;
  for (const { at, from, to } of marks) {
    const x = Math.round(plot.valToPos(at / 1000, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const label = `${from} → ${to}`;
    const half = ctx.measureText(label).width / 2;
    if (!withLabels || x - half < free) continue;
    ctx.fillText(label, Math.min(x, bbox.left + bbox.width - half), bbox.top - 4 * ratio);
    free = x + half + 6 * ratio;
  }
  ctx.restore();
}
