import { Gauge, Square } from 'lucide-react';

import { Button } from '@/components/ui/button';
import { formatDuration, formatPlural } from '@/lib/format';

import { load } from './load';

/** Above the charts while a load runs, so that cause and effect are seen together. */
export function LoadStrip() {
  const { options, update, running } = load.use();
  if (!running || options === null) return null;
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl bg-accent-soft px-4 py-2.5 text-sm text-accent tabular">
      <Gauge className="size-4 shrink-0" aria-hidden="true" />
      <p className="min-w-0 flex-1 basis-56">
        <strong className="font-semibold">{formatPlural(options.chats, 'chat')} at once.</strong>{' '}
        {update
          ? `${update.tokens_per_second.toFixed(1)} tokens/s, ${update.failed} failed, ${formatDuration(update.elapsed_ms)} of ${formatDuration(1000 * options.seconds)}.`
          : 'Starting…'}
      </p>
      <Button size="sm" onClick={load.end}>
        <Square />
        Stop the load
      </Button>
    </div>
  );
}
