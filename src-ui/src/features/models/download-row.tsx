import { RotateCw, X } from 'lucide-react';

import { errorMessage } from '@/api/error';
import type { Job } from '@/api/types';
import { IconButton } from '@/components/ui/icon-button';
import { cn } from '@/lib/cn';
import { formatBytes } from '@/lib/format';

import { useCancel, usePull } from './use-downloads';

/** One download: how far it is, or why it failed. */
export function DownloadRow({ job }: { job: Job }) {
  const cancel = useCancel();
  const retry = usePull();
  const failed = job.status === 'failed';
  const trouble = cancel.error ?? retry.error;

  return (
    <li className="py-2">
      <div className="flex items-center gap-1">
        <span className="min-w-0 flex-1 truncate text-sm font-medium">{job.model}</span>
        {failed && (
          <IconButton
            size="sm"
            label={`Try ${job.model} again`}
            disabled={retry.isPending}
            onClick={() => retry.mutate(job.model)}
          >
            <RotateCw />
          </IconButton>
        )}
        <IconButton
          size="sm"
          label={failed ? `Give ${job.model} up` : `Cancel the download of ${job.model}`}
          disabled={cancel.isPending}
          onClick={() => cancel.mutate(job.id)}
        >
          <X />
        </IconButton>
      </div>
      {!failed && <Progress job={job} />}
      <p className={cn('mt-1 text-xs tabular', failed || trouble ? 'text-danger' : 'text-muted')}>
        {trouble ? errorMessage(trouble) : failed ? job.error : progressWords(job)}
      </p>
    </li>
  );
}

function Progress({ job }: { job: Job }) {
  const percent = donePercent(job);
  return (
    <div
      role="progressbar"
      aria-label={`Download of ${job.model}`}
      aria-valuemin={0}
      aria-valuemax={100}
      // Without a value it says that the end is not known yet.
      aria-valuenow={percent ?? undefined}
      aria-valuetext={progressWords(job)}
      className="mt-1 h-1.5 overflow-hidden rounded-full bg-hover"
    >
      <div
        className={cn(
          'h-full rounded-full bg-accent transition-[width] duration-700 ease-linear motion-reduce:transition-none',
          job.stage === 'verifying' && 'animate-pulse motion-reduce:animate-none',
        )}
        style={{ width: `${percent ?? 0}%` }}
      />
    </div>
  );
}

/** `null` until the registry has told the size. */
export function donePercent({ done_bytes, total_bytes }: Job): number | null {
  return total_bytes ? Math.floor((100 * done_bytes) / total_bytes) : null;
}

function progressWords(job: Job): string {
  switch (job.stage) {
    case 'waiting':
      return 'Waiting for other downloads';
    case 'resolving':
      return 'Asking the registry…';
    case 'verifying':
      return 'Checking what has come…';
    case 'downloading':
      return `${formatBytes(job.done_bytes)} of ${formatBytes(job.total_bytes ?? 0)} · ${donePercent(job) ?? 0} %`;
  }
}
