import type { LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';

interface EmptyProps {
  icon: LucideIcon;
  title: string;
  children: ReactNode;
  actions?: ReactNode;
}

/** A view with nothing in it says why, and what would put something there. */
export function Empty({ icon: Icon, title, children, actions }: EmptyProps) {
  return (
    <div className="m-auto flex max-w-sm flex-col items-center px-6 py-10 text-center">
      <Icon className="size-8 text-line-strong" aria-hidden="true" />
      <p className="mt-3 font-medium">{title}</p>
      <p className="mt-1 text-sm text-pretty text-muted">{children}</p>
      {actions && <div className="mt-4 flex gap-2">{actions}</div>}
    </div>
  );
}
