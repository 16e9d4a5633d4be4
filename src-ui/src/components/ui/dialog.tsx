import { Dialog as Base } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';

import { cn } from '@/lib/cn';

import { IconButton } from './icon-button';

interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** Keeps the title for screen readers only. */
  titleHidden?: boolean;
  description?: string;
  /** In the middle, or along an edge from top to bottom. */
  placement?: 'center' | 'left' | 'right';
  className?: string;
  children: ReactNode;
}

const PLACEMENTS = {
  center:
    'top-1/2 left-1/2 max-h-[calc(100dvh-2rem)] w-[min(30rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 rounded-2xl data-ending-style:scale-98 data-starting-style:scale-98',
  left: 'inset-y-0 left-0 w-[min(19rem,85vw)] data-ending-style:-translate-x-full data-starting-style:-translate-x-full',
  right:
    'inset-y-0 right-0 w-[min(24rem,100vw)] data-ending-style:translate-x-full data-starting-style:translate-x-full',
};

function Dialog({
  open,
  onOpenChange,
  title,
  titleHidden = false,
  description,
  placement = 'center',
  className,
  children,
}: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.15_0.02_245/0.42)] transition-opacity duration-200 data-ending-style:opacity-0 data-starting-style:opacity-0" />
        <Base.Popup
          data-slot="dialog"
          className={cn(
            'fixed z-50 flex flex-col overflow-hidden border-line bg-canvas shadow-pop transition-all duration-200 ease-swell focus-visible:outline-none data-ending-style:opacity-0 data-starting-style:opacity-0',
            placement === 'center' && 'border',
            PLACEMENTS[placement],
            className,
          )}
        >
          <header className={cn('flex items-start gap-3 px-5 pt-4 pb-3', titleHidden && 'sr-only')}>
            <div className="min-w-0 flex-1">
              <Base.Title className="text-base font-semibold tracking-tight">{title}</Base.Title>
              {description && (
                <Base.Description className="text-sm text-muted">{description}</Base.Description>
              )}
            </div>
            {!titleHidden && (
              <Base.Close render={<IconButton label="Close" size="sm" className="-mr-1.5" />}>
                <X />
              </Base.Close>
            )}
          </header>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

export { Dialog };
