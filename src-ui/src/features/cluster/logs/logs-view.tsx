import { Pause, Play, ScrollText } from 'lucide-react';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';

import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { formatCount, formatPlural } from '@/lib/format';
import { useDebounced } from '@/lib/use-debounced';
import type { LogQuery } from '@/platform/cluster-types';

import { Empty } from '../parts/empty';
import { LogFeed, type LogState } from './log-feed';
import { LogLines } from './log-lines';
import { LogToolbar } from './log-toolbar';

const FILTER_DELAY_MS = 300;
/** Of each pod, before the new ones. */
const TAIL = 200;

interface LogsViewProps {
  /** The pod that the page asks for; `null` merges all. */
  pod: string | null;
  onPod: (pod: string | null) => void;
}

/** The logs of many pods as one, each pod in a colour of its own. */
export function LogsView({ pod, onPod }: LogsViewProps) {
  const [app, setApp] = useState<string | null>(null);
  const [previous, setPrevious] = useState(false);
  const [follow, setFollow] = useState(true);
  const [filter, setFilter] = useState('');
  const settled = useDebounced(filter.trim(), FILTER_DELAY_MS);
  const query = useMemo<LogQuery>(
    () => ({
      app: pod === null ? app : null,
      pod,
      previous,
      // A container that has ended says nothing more.
      follow: follow && !previous,
      filter: settled || null,
      tail: TAIL,
    }),
    [app, pod, previous, follow, settled],
  );
  return (
    <>
      <LogToolbar
        app={app}
        pod={pod}
        previous={previous}
        follow={follow}
        filter={filter}
        onApp={(next) => {
          setApp(next);
          onPod(null);
        }}
        onPod={onPod}
        onPrevious={setPrevious}
        onFollow={setFollow}
        onFilter={setFilter}
      />
      <Stream key={JSON.stringify(query)} query={query} />
    </>
  );
}

/** One query from its first line on; another query is another stream. */
function Stream({ query }: { query: LogQuery }) {
  const [feed] = useState(() => new LogFeed());
  useEffect(() => feed.start(query), [feed, query]);
  const state = useSyncExternalStore(feed.subscribe, feed.snapshot);
  // What was on the page when the reader paused; lines go on coming behind it.
  const [held, setHeld] = useState<LogState | null>(null);
  const { lines } = held ?? state;
  const waiting = held === null ? 0 : state.received - held.received;

  return (
    <>
      {state.problem !== null && <Alert className="m-3 mb-0 sm:mx-6">{state.problem}</Alert>}
      {lines.length > 0 ? (
        <LogLines lines={lines} filter={query.filter ?? ''} />
      ) : (
        <Empty icon={ScrollText} title={state.problem === null ? 'No lines yet' : 'No lines'}>
          {query.filter !== null
            ? `No line holds “${query.filter}”.`
            : query.previous
              ? 'No container was replaced, so there are no earlier logs.'
              : 'The pods have written nothing that is still kept.'}
        </Empty>
      )}
      <footer className="flex shrink-0 flex-wrap items-center justify-between gap-x-3 gap-y-1 border-t border-line px-3 py-2 text-xs text-muted tabular sm:px-6">
        <span>
          {formatPlural(lines.length, 'line')}
          {state.received > lines.length && held === null && `, the latest of ${formatCount(state.received)}`}
        </span>
        <span className="flex items-center gap-3">
          {held !== null && <span role="status">Paused, {formatPlural(waiting, 'new line')}</span>}
          <Button size="sm" onClick={() => setHeld(held === null ? state : null)}>
            {held === null ? <Pause /> : <Play />}
            {held === null ? 'Pause' : 'Go on'}
          </Button>
        </span>
      </footer>
    </>
  );
}
