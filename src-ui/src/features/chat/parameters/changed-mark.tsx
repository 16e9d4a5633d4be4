import { RotateCcw } from 'lucide-react';

import { IconButton } from '@/components/ui/icon-button';

/** Marks a setting that differs from its default, and takes it back there. */
export function ChangedMark({ label, onReset }: { label: string; onReset: () => void }) {
  return (
    <span className="inline-flex items-center gap-1">
      <span className="size-1.5 rounded-full bg-accent" role="img" aria-label="Changed" />
      <IconButton label={`Reset ${label}`} size="sm" className="-my-1 size-6" onClick={onReset}>
        <RotateCcw className="size-3!" />
      </IconButton>
    </span>
  );
}
