import { Menu as Base } from '@base-ui/react/menu';
import type { ComponentProps, ReactElement, ReactNode } from 'react';

import { cn } from '@/lib/cn';

function Menu({ trigger, children }: { trigger: ReactElement; children: ReactNode }) {
  return (
    <Base.Root>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner align="end" sideOffset={4} className="z-50">
          <Base.Popup className="min-w-36 origin-(--transform-origin) rounded-xl border border-line bg-raised p-1 shadow-pop transition-[opacity,scale] duration-100 ease-swell focus-visible:outline-none data-ending-style:opacity-0 data-starting-style:scale-97 data-starting-style:opacity-0">
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

function MenuItem({
  className,
  tone = 'plain',
  ...props
}: ComponentProps<typeof Base.Item> & { tone?: 'plain' | 'danger' }) {
  return (
    <Base.Item
      data-slot="menu-item"
      className={cn(
        'flex h-8 cursor-pointer items-center gap-2 rounded-lg px-2.5 text-sm outline-none data-highlighted:bg-hover [&_svg]:size-4',
        tone === 'danger' && 'text-danger data-highlighted:bg-danger-soft',
        className,
      )}
      {...props}
    />
  );
}

export { Menu, MenuItem };
