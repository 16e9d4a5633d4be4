import { useId, type ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface SectionProps {
  title: string;
  /** What can be done about it, at the end of the title's line. */
  actions?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A part of a view under a heading of its own. */
export function Section({ title, actions, className, children }: SectionProps) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={className}>
      <div className="mb-2 flex min-h-7 flex-wrap items-center justify-between gap-x-3 gap-y-1">
        <h2 id={id} className="text-sm font-semibold">
          {title}
        </h2>
        {actions && <div className="flex flex-wrap items-center gap-1.5">{actions}</div>}
      </div>
      {children}
    </section>
  );
}

export function Card({ className, children }: { className?: string; children: ReactNode }) {
  return <div className={cn('rounded-xl border border-line bg-raised', className)}>{children}</div>;
}

/** The scrolling middle of a view. */
export function ViewBody({ className, children }: { className?: string; children: ReactNode }) {
  return (
    <div className="min-h-0 flex-1 overflow-y-auto overscroll-contain">
      <div className={cn('mx-auto w-full max-w-[64rem] space-y-7 px-3 py-5 sm:px-6', className)}>
        {children}
      </div>
    </div>
  );
}
