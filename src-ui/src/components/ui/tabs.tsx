import { Tabs as Base } from '@base-ui/react/tabs';
import type { ComponentProps, ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface TabsProps<Value extends string> {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  tabs: readonly { value: Value; label: ReactNode }[];
  children: ReactNode;
}

/** A row of tabs that scrolls sideways where it does not fit, and the panels below it. */
function Tabs<Value extends string>({ label, value, onChange, tabs, children }: TabsProps<Value>) {
  return (
    <Base.Root
      value={value}
      onValueChange={(next: Value) => onChange(next)}
      className="flex min-h-0 flex-1 flex-col"
    >
      <Base.List
        data-slot="tabs"
        aria-label={label}
        activateOnFocus={false}
        className="flex shrink-0 [scrollbar-width:none] gap-0.5 overflow-x-auto border-b border-line px-2 sm:px-5"
      >
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className="relative flex h-10 shrink-0 items-center gap-1.5 rounded-lg px-2.5 text-sm text-muted transition-colors duration-150 after:absolute after:inset-x-2 after:bottom-0 after:h-0.5 after:rounded-full hover:text-ink focus-visible:-outline-offset-3 data-active:font-medium data-active:text-ink data-active:after:bg-accent"
          >
            {tab.label}
          </Base.Tab>
        ))}
      </Base.List>
      {children}
    </Base.Root>
  );
}

function TabPanel({ className, ...props }: ComponentProps<typeof Base.Panel>) {
  return (
    <Base.Panel
      className={cn('flex min-h-0 flex-1 flex-col focus-visible:-outline-offset-2', className)}
      {...props}
    />
  );
}

export { TabPanel, Tabs };
