import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ExternalLink, X } from 'lucide-react';

import { errorMessage } from '@/api/error';
import { CopyButton } from '@/components/copy-button';
import { Badge, type Tone } from '@/components/ui/badge';
import { IconButton } from '@/components/ui/icon-button';
import { platform } from '@/platform';
import type { Forward } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { keys } from '../queries';

const TONES: Record<Forward['state'], Tone> = { open: 'good', connecting: 'accent', reconnecting: 'warning' };

export function ForwardRow({ forward }: { forward: Forward }) {
  const queryClient = useQueryClient();
  const stop = useMutation({
    mutationFn: () => cluster().stopForward(forward.id),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.forwards }),
  });
  const address = `127.0.0.1:${forward.local_port}`;
  return (
    <li className="flex items-center gap-3 px-4 py-2.5 text-sm">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2">
          <span className="font-mono font-medium">{address}</span>
          <span className="text-muted">
            to {forward.target} of {forward.context}
          </span>
          <Badge tone={TONES[forward.state]}>{forward.state}</Badge>
        </p>
        <p className="truncate text-xs text-muted">
          {forward.pod === null ? 'Looking for a pod that is ready' : `Through ${forward.pod}`}
        </p>
        {forward.problem !== null && <p className="text-xs text-danger">{forward.problem}</p>}
        {stop.error && <p className="text-xs text-danger">{errorMessage(stop.error)}</p>}
      </div>
      <div className="flex">
        <CopyButton text={address} label={`Copy ${address}`} />
        <IconButton
          label={`Open http://${address}`}
          size="sm"
          onClick={() => void platform.openExternal(`http://${address}`)}
        >
          <ExternalLink />
        </IconButton>
        <IconButton
          label={`Stop forwarding ${address}`}
          size="sm"
          disabled={stop.isPending}
          onClick={() => stop.mutate()}
        >
          <X />
        </IconButton>
      </div>
    </li>
  );
}
