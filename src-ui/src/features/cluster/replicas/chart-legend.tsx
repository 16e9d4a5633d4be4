import type { ChartShape } from './charts';
import { cssColor } from './paint';
import type { Columns } from './series';

interface ChartLegendProps {
  shape: ChartShape;
  columns: Columns;
  /** The row under the cursor, or the latest. */
  row: number;
}

/** The title of a chart and what its lines stand at. */
export function ChartLegend({ shape, columns, row }: ChartLegendProps) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-0.5 px-1">
      <h3 className="text-xs font-semibold">{shape.title}</h3>
      <dl className="flex flex-wrap gap-x-3.5 gap-y-0.5 text-xs">
        {shape.lines.toReversed().map((line) => {
          const value = columns.values[line.quantity][row] ?? null;
          return (
            <div key={line.quantity} className="flex items-center gap-1.5">
              <dt className="flex items-center gap-1.5 text-muted">
                <span
                  aria-hidden="true"
                  className="w-3.5 border-t-2"
                  style={{ borderColor: cssColor(line), borderTopStyle: line.dashed ? 'dotted' : 'solid' }}
                />
                {line.name}
              </dt>
              <dd className="min-w-5 font-medium tabular">{value === null ? '–' : shape.format(value)}</dd>
            </div>
          );
        })}
      </dl>
    </div>
  );
}
