import { Popover as Base } from '@base-ui/react/popover';
import type { ReactElement, ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface PopoverProps {
  /** The button that opens it. */
  trigger: ReactElement;
  title: string;
  side?: 'top' | 'bottom';
  align?: 'start' | 'center' | 'end';
  className?: string;
  children: ReactNode;
}

function Popover({ trigger, title, side = 'top', align = 'start', className, children }: PopoverProps) {
  return (
    <Base.Root>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner side={side} align={align} sideOffset={6} collisionPadding={12} className="z-30">
          <Base.Popup
            data-slot="popover"
            className={cn(
              'max-w-[calc(100vw-1.5rem)] origin-(--transform-origin) rounded-xl border border-line bg-raised p-4 text-sm shadow-pop transition-[opacity,scale] duration-150 ease-swell focus-visible:outline-none data-ending-style:scale-97 data-ending-style:opacity-0 data-starting-style:scale-97 data-starting-style:opacity-0',
              className,
            )}
          >
            <Base.Title className="mb-2 text-xs font-semibold text-muted">{title}</Base.Title>
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

export { Popover };
