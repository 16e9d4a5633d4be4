import { TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface AlertProps {
  tone?: 'danger' | 'warning';
  children: ReactNode;
  /** Buttons that do something about it. */
  actions?: ReactNode;
  className?: string;
}

/** Says what went wrong where it went wrong, and is read out when it appears. */
export function Alert({ tone = 'danger', children, actions, className }: AlertProps) {
  return (
    <div
      role="alert"
      className={cn(
        'flex animate-arrive flex-wrap items-center gap-x-3 gap-y-2 rounded-lg px-3 py-2 text-sm',
        tone === 'danger' ? 'bg-danger-soft text-danger' : 'bg-warning-soft text-warning',
        className,
      )}
    >
      <TriangleAlert className="size-4 shrink-0" aria-hidden="true" />
      <div className="min-w-0 flex-1 basis-52">{children}</div>
      {actions && <div className="flex gap-1.5">{actions}</div>}
    </div>
  );
}
