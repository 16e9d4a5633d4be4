import { useEffect, useLayoutEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import type { ChartShape } from './charts';
import { onThemeChange } from './paint';
import type { ScaleMark } from './scale-marks';
import type { Columns } from './series';
import { chartOptions } from './uplot-options';

interface TimeChartProps {
  shape: ChartShape;
  columns: Columns;
  /** The ends of the time axis, in milliseconds. */
  from: number;
  to: number;
  marks: readonly ScaleMark[];
  withTimes: boolean;
  onCursor: (row: number | null) => void;
}

/** One chart on the common time axis. It is drawn on a canvas; its table twin is elsewhere. */
export function TimeChart({ shape, columns, from, to, marks, withTimes, onCursor }: TimeChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  // What the chart asks for while it draws; it outlives many renders.
  const latest = useRef({ marks, onCursor });
  useLayoutEffect(() => {
    latest.current = { marks, onCursor };
  });

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const options = chartOptions(shape, element.clientWidth, withTimes, {
      marks: () => latest.current.marks,
      onCursor: (row) => latest.current.onCursor(row),
    });
    const plot = new uPlot(options, undefined, element);
    chart.current = plot;
    const resized = new ResizeObserver(() => {
      if (element.clientWidth !== plot.width)
        plot.setSize({ width: element.clientWidth, height: plot.height });
    });
    resized.observe(element);
    const stopFollowingTheme = onThemeChange(() => plot.redraw(false));
    return () => {
      stopFollowingTheme();
      resized.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [shape, withTimes]);

  useEffect(() => {
    const plot = chart.current;
    plot?.batch(() => {
      plot.setData([columns.x, ...shape.lines.map(({ quantity }) => columns.values[quantity])], false);
      plot.setScale('x', { min: from / 1000, max: to / 1000 });
    });
  }, [shape, withTimes, columns, from, to, marks]);

  return <div ref={place} className="w-full" aria-hidden="true" />;
}
