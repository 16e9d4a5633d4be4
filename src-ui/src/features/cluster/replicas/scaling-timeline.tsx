import { ChartLine, Table2 } from 'lucide-react';
import { useCallback, useId, useMemo, useState, type KeyboardEvent } from 'react';
import uPlot from 'uplot';

import { Segments } from '@/components/ui/segments';
import { formatClock, formatMoment } from '@/lib/format';
import type { Autoscaler } from '@/platform/cluster-types';

import { useLive } from '../live/live';
import { Card, Section } from '../parts/section';
import { useNow } from '../parts/use-now';
import { tableRows } from './buckets';
import { ChartLegend } from './chart-legend';
import { ChartTable } from './chart-table';
import { chartShapes } from './charts';
import { RANGES, type Range } from './ranges';
import { scaleMarks } from './scale-marks';
import { columnsOf, metricUnit, type Columns } from './series';
import { TimeChart } from './time-chart';
import { CURSOR } from './uplot-options';

const REDRAW_MS = 5_000;
const DAY_MS = 86_400_000;

/** What the autoscaler did and what made it do so, on one time axis. */
export function ScalingTimeline({ autoscaler }: { autoscaler: Autoscaler | undefined }) {
  const samples = useLive((state) => state.samples);
  const events = useLive((state) => state.events);
  const [range, setRange] = useState<Range>(RANGES[0].value);
  const [form, setForm] = useState<'chart' | 'table'>('chart');
  const [cursor, setCursor] = useState<number | null>(null);
  const hintId = useId();
  const to = Math.max(useNow(REDRAW_MS), samples.at(-1)?.at ?? 0);
  const from = to - range;

  const { name, suffix } = metricUnit(autoscaler);
  const shapes = useMemo(() => chartShapes({ name, suffix }), [name, suffix]);
  const columns = useMemo(() => columnsOf(samples, from), [samples, from]);
  const marks = useMemo(() => scaleMarks(samples, events), [samples, events]);
  const rows = useMemo(() => tableRows(samples, from, to), [samples, from, to]);
  const onCursor = useCallback((row: number | null) => setCursor(row), []);

  const row = cursor !== null && cursor < columns.x.length ? cursor : columns.x.length - 1;
  const second = columns.x[row];
  const withDays = range >= DAY_MS;

  return (
    <Section
      title="Scaling over time"
      actions={
        <>
          <Segments label="Time range" value={range} options={RANGES} onChange={setRange} />
          <Segments
            label="Show as"
            value={form}
            onChange={setForm}
            options={[
              { value: 'chart', label: <FormLabel icon={ChartLine} text="Chart" /> },
              { value: 'table', label: <FormLabel icon={Table2} text="Table" /> },
            ]}
          />
        </>
      }
    >
      {form === 'chart' && (
        <Card className="p-3">
          {rows.length === 0 ? (
            <p className="py-16 text-center text-sm text-muted">
              Nothing was recorded in this time yet. A sample is taken every 15 seconds.
            </p>
          ) : (
            <div
              role="group"
              tabIndex={0}
              aria-label="Charts"
              aria-describedby={hintId}
              onKeyDown={(event) => moveCursor(event, columns, from, cursor)}
              onBlur={() => placeCursor(null)}
              className="space-y-2.5 rounded-lg"
            >
              <p className="flex justify-between gap-3 px-1 text-xs text-muted tabular">
                <span id={hintId}>The arrow keys move the cursor.</span>
                <span>
                  {cursor === null ? 'latest, ' : 'at '}
                  {second !== undefined &&
                    (withDays ? formatMoment(second * 1000) : formatClock(second * 1000))}
                </span>
              </p>
              {shapes.map((shape, index) => (
                <div key={shape.id}>
                  <ChartLegend shape={shape} columns={columns} row={row} />
                  <TimeChart
                    shape={shape}
                    columns={columns}
                    from={from}
                    to={to}
                    marks={marks}
                    withTimes={index === shapes.length - 1}
                    onCursor={onCursor}
                  />
                </div>
              ))}
            </div>
          )}
        </Card>
      )}
      <ChartTable rows={rows} metric={{ name, suffix }} hidden={form === 'chart'} withDays={withDays} />
    </Section>
  );
}

function FormLabel({ icon: Icon, text }: { icon: typeof Table2; text: string }) {
  return (
    <>
      <Icon className="size-3.5" aria-hidden="true" />
      {text}
    </>
  );
}

const PAGE = 20;

function nextRow(key: string, row: number, first: number, last: number): number | null {
  const clamp = (value: number) => Math.min(last, Math.max(first, value));
  switch (key) {
    case 'ArrowLeft':
      return clamp(row - 1);
    case 'ArrowRight':
      return clamp(row + 1);
    case 'PageUp':
      return clamp(row - PAGE);
    case 'PageDown':
      return clamp(row + PAGE);
    case 'Home':
      return first;
    case 'End':
      return last;
    default:
      return null;
  }
}

/** The first row in sight is not always the first: lines come in from the left edge. */
function moveCursor(event: KeyboardEvent, { x }: Columns, from: number, cursor: number | null): void {
  const last = x.length - 1;
  const first = x.findIndex((second) => second * 1000 >= from);
  const row = nextRow(event.key, cursor ?? last, first, last);
  const second = row === null ? undefined : x[row];
  if (second === undefined) return;
  event.preventDefault();
  placeCursor(second);
}

/** Puts the cursor of every chart at this second, or away. */
function placeCursor(second: number | null): void {
  for (const plot of uPlot.sync(CURSOR).plots) {
    plot.setCursor({ left: second === null ? -10 : plot.valToPos(second, 'x'), top: 4 });
  }
}
