import type { ReactNode } from 'react';

import { cn } from '@/lib/cn';

/** Buttons below a message: quiet until the pointer or the focus is on it, unless it is the one being read. */
export function MessageActions({
  always,
  className,
  children,
}: {
  always: boolean;
  className?: string;
  children: ReactNode;
}) {
  return (
    <div
      className={cn(
        'flex min-h-7 items-center gap-0.5 transition-opacity duration-150',
        !always &&
          'opacity-0 group-focus-within/message:opacity-100 group-hover/message:opacity-100 has-data-popup-open:opacity-100 pointer-coarse:opacity-100',
        className,
      )}
    >
      {children}
    </div>
  );
}
