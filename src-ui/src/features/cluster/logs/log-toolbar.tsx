import { useMemo } from 'react';

import { Input } from '@/components/ui/input';
import { Select } from '@/components/ui/select';
import { Switch } from '@/components/ui/switch';

import { useLive } from '../live/live';
import { shortName } from '../pods/pod-look';

const ALL = '';

interface LogToolbarProps {
  app: string | null;
  pod: string | null;
  previous: boolean;
  follow: boolean;
  filter: string;
  onApp: (app: string | null) => void;
  onPod: (pod: string | null) => void;
  onPrevious: (previous: boolean) => void;
  onFollow: (follow: boolean) => void;
  onFilter: (filter: string) => void;
}

/** Whose lines, and which of them. */
export function LogToolbar(props: LogToolbarProps) {
  const pods = useLive((state) => state.pods);
  const { app, pod } = props;
  const apps = useMemo(() => [...new Set([...pods.values()].map((known) => known.app))].sort(), [pods]);
  const podOptions = useMemo(() => {
    const names = [...pods.values()]
      .filter((known) => app === null || known.app === app)
      .map(({ name }) => name);
    // A pod that is gone may still be asked for.
    const all = pod === null || names.includes(pod) ? names : [...names, pod];
    return [
      { value: ALL, label: 'All pods' },
      ...all.sort().map((name) => ({ value: name, label: shortName(name) })),
    ];
  }, [pods, app, pod]);

  return (
    <div className="flex shrink-0 flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-3 py-3 sm:px-6">
      <Select
        label="App"
        className="w-32"
        value={app ?? ALL}
        options={[{ value: ALL, label: 'All apps' }, ...apps.map((name) => ({ value: name, label: name }))]}
        onChange={(value) => props.onApp(value || null)}
      />
      <Select
        label="Pod"
        className="w-44"
        value={pod ?? ALL}
        options={podOptions}
        onChange={(value) => props.onPod(value || null)}
      />
      <Input
        type="search"
        aria-label="Filter lines"
        placeholder="Only lines with, e.g. a request id"
        className="h-8 flex-1 basis-52"
        value={props.filter}
        onChange={(event) => props.onFilter(event.currentTarget.value)}
      />
      <Switch checked={props.follow && !props.previous} disabled={props.previous} onChange={props.onFollow}>
        Follow
      </Switch>
      <Switch checked={props.previous} onChange={props.onPrevious}>
        Before the restart
      </Switch>
    </div>
  );
}
