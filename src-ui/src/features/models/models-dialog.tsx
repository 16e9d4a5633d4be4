import { useQuery } from '@tanstack/react-query';

import { modelsQuery } from '@/api/queries';
import type { Job } from '@/api/types';
import { Dialog } from '@/components/ui/dialog';

import { DownloadRow } from './download-row';
import { InstalledRow } from './installed-row';
import { PullForm } from './pull-form';

interface ModelsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  downloads: readonly Job[];
}

/** Which models there are on the server, and how more come there. Downloads go on when it is closed. */
export function ModelsDialog({ open, onOpenChange, downloads }: ModelsDialogProps) {
  const { data } = useQuery(modelsQuery());
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Models">
      <div className="space-y-4 overflow-y-auto px-5 pb-5">
        <PullForm />
        {downloads.length > 0 && (
          <ul aria-label="Downloads" className="divide-y divide-line">
            {downloads.map((job) => (
              <DownloadRow key={job.id} job={job} />
            ))}
          </ul>
        )}
        {data && data.models.length > 0 && (
          <section aria-labelledby="installed-models">
            <h3 id="installed-models" className="text-xs font-semibold text-muted">
              On this server
            </h3>
            <ul className="divide-y divide-line">
              {data.models.map((model) => (
                <InstalledRow key={model.id} model={model} />
              ))}
            </ul>
          </section>
        )}
      </div>
    </Dialog>
  );
}
