import { ExternalLink } from 'lucide-react';

import { CopyButton } from '@/components/copy-button';
import { Badge } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { platform } from '@/platform';

import { useLive } from '../live/live';
import { Card } from '../parts/section';

/** Where the service is, and whether it answers there. */
export function ServiceCard() {
  const url = useLive((state) => state.url);
  const healthy = useLive((state) => state.healthy);
  return (
    <Card className="flex flex-wrap items-center gap-x-4 gap-y-3 p-4">
      <div className="min-w-0 flex-1 basis-64">
        <p role="status" className="flex items-center gap-2 text-xs text-muted">
          {healthy === true && <Badge tone="good">answers</Badge>}
          {healthy === false && <Badge tone="danger">does not answer</Badge>}
          {healthy === null && <Badge>not asked yet</Badge>}
          Service
        </p>
        <p className="mt-1 flex min-w-0 items-center gap-1 text-lg font-semibold tracking-tight">
          <span className="truncate">{url ?? 'No address'}</span>
          {url !== null && <CopyButton text={url} label="Copy the address" />}
        </p>
        {healthy === false && (
          <p className="text-sm text-danger">
            Nothing healthy answers at {url}/health. The pods below say why, and so do the events.
          </p>
        )}
      </div>
      {url !== null && (
        <Button variant="primary" onClick={() => void platform.openExternal(url)}>
          <ExternalLink />
          Open
        </Button>
      )}
    </Card>
  );
}
