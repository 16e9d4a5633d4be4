import { Gauge, Square } from 'lucide-react';
import { useState, type SubmitEvent } from 'react';

import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';
import { formatCount, formatDuration, formatPlural } from '@/lib/format';
import type { LoadUpdate } from '@/platform/cluster-types';

import { Card, Section } from '../parts/section';
import { ChatsSlider } from './chats-slider';
import { Figures } from './figures';
import { load } from './load';

interface LoadDialProps {
  url: string;
  maxChats: number;
  maxSeconds: number;
}

/** So many chats at once against the deployed address, to see it scale. */
export function LoadDial({ url, maxChats, maxSeconds }: LoadDialProps) {
  const { options, update, running, problem } = load.use();
  const [chats, setChats] = useState(options?.chats ?? 20);
  const [seconds, setSeconds] = useState(options?.seconds ?? 120);
  const [model, setModel] = useState(options?.model ?? '');
  const secondsWrong = !Number.isInteger(seconds) || seconds < 1 || seconds > maxSeconds;

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    load.begin({ url, chats, seconds, model: model.trim() || null });
  };

  return (
    <Section title="Load">
      <Card className="@container">
        <form onSubmit={submit} className="space-y-4 p-4">
          <p className="text-sm text-muted">
            Chats with short questions against <span className="text-ink">{url}</span>, all at once. Watch the
            overview: replicas follow.
          </p>
          <div className="grid items-start gap-x-5 gap-y-3 @lg:grid-cols-[1fr_7rem_11rem]">
            <div>
              <ChatsSlider
                label="Chats at once"
                value={chats}
                max={maxChats}
                disabled={running}
                onChange={setChats}
              />
            </div>
            <Field label="Seconds" problem={secondsWrong ? `Enter 1 to ${maxSeconds}.` : null}>
              {(control) => (
                <Input
                  {...control}
                  type="number"
                  min={1}
                  max={maxSeconds}
                  disabled={running}
                  value={Number.isNaN(seconds) ? '' : seconds}
                  onChange={(event) => setSeconds(event.currentTarget.valueAsNumber)}
                />
              )}
            </Field>
            <Field label="Model">
              {(control) => (
                <Input
                  {...control}
                  placeholder="The service’s default"
                  disabled={running}
                  value={model}
                  onChange={(event) => setModel(event.currentTarget.value)}
                />
              )}
            </Field>
          </div>
          {running ? (
            <Button onClick={load.end}>
              <Square />
              Stop
            </Button>
          ) : (
            <Button type="submit" variant="primary" disabled={secondsWrong}>
              <Gauge />
              Start {formatPlural(chats, 'chat')}
            </Button>
          )}
          {problem !== null && <Alert>{problem}</Alert>}
        </form>
        {update && <LoadFigures update={update} seconds={options?.seconds ?? 0} running={running} />}
      </Card>
    </Section>
  );
}

interface LoadFiguresProps {
  update: LoadUpdate;
  seconds: number;
  running: boolean;
}

function LoadFigures({ update, seconds, running }: LoadFiguresProps) {
  const share = seconds > 0 ? Math.min(1, update.elapsed_ms / (1000 * seconds)) : 1;
  return (
    <div className="space-y-4 border-t border-line p-4">
      <div className="flex items-center gap-3 text-xs text-muted tabular">
        <span role="status">{running ? 'Running' : 'Ended'}</span>
        <span className="h-1.5 min-w-0 flex-1 overflow-hidden rounded-full bg-hover" aria-hidden="true">
          <span
            className="block h-full rounded-full bg-accent transition-[width] duration-300"
            style={{ width: `${100 * (running ? share : 1)}%` }}
          />
        </span>
        <span>{formatDuration(update.elapsed_ms)}</span>
      </div>
      <Figures
        figures={[
          ['Tokens per second', update.tokens_per_second.toFixed(1)],
          ['First token, median', duration(update.ttft_ms_p50)],
          ['First token, slowest 5 %', duration(update.ttft_ms_p95)],
          ['Failed', formatCount(update.failed)],
          ['Running now', formatCount(update.running)],
          ['Started', formatCount(update.started)],
          ['Finished', formatCount(update.finished)],
          ['Tokens in all', formatCount(update.tokens)],
        ]}
      />
      {update.failures.length > 0 && (
        <div>
          <h3 className="mb-1 text-xs font-semibold text-danger">What failed</h3>
          <ul className="list-disc space-y-0.5 pl-4 text-sm [overflow-wrap:anywhere]">
            {update.failures.map((failure, index) => (
              <li key={index}>{failure}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function duration(milliseconds: number | null): string | null {
  return milliseconds === null ? null : formatDuration(milliseconds);
}
