import { ChevronDown, Laptop, TriangleAlert, Unplug } from 'lucide-react';

import { cn } from '@/lib/cn';
import type { Context } from '@/platform/cluster-types';

interface ContextChipProps {
  /** The chosen context; `null` when none is. */
  context: Context | null;
  onOpen: () => void;
}

/** Which cluster everything in the panel is about. One that is not on this computer stands out. */
export function ContextChip({ context, onOpen }: ContextChipProps) {
  const remote = context !== null && !context.is_local;
  const Icon = context === null ? Unplug : remote ? TriangleAlert : Laptop;
  return (
    <button
      type="button"
      onClick={onOpen}
      aria-label={chipLabel(context)}
      title={context ? `${context.id.name}\n${context.server}` : undefined}
      className={cn(
        'flex h-8 min-w-0 items-center gap-1.5 rounded-full border px-2.5 text-sm transition-colors duration-150',
        remote
          ? 'border-warning/45 bg-warning-soft font-medium text-warning hover:border-warning'
          : 'border-line-strong bg-raised text-ink hover:bg-hover',
        context === null && 'text-muted',
      )}
    >
      <Icon className="size-3.5 shrink-0" aria-hidden="true" />
      <span className="truncate">{context?.id.name ?? 'No cluster chosen'}</span>
      {remote && <span className="hidden shrink-0 text-xs font-normal sm:inline">· not this computer</span>}
      <ChevronDown className="size-3.5 shrink-0 opacity-70" aria-hidden="true" />
    </button>
  );
}

function chipLabel(context: Context | null): string {
  if (context === null) return 'Cluster: none chosen. Choose one';
  const place = context.is_local ? 'on this computer' : 'not on this computer';
  return `Cluster: ${context.id.name}, ${place}. Choose another`;
}
