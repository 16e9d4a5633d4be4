import { Select as Base } from '@base-ui/react/select';
import { Check, ChevronDown } from 'lucide-react';

import { cn } from '@/lib/cn';

interface SelectProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly { value: Value; label: string }[];
  onChange: (value: Value) => void;
  className?: string;
}

/** One of many, in the size of a small button. */
function Select<Value extends string>({ label, value, options, onChange, className }: SelectProps<Value>) {
  return (
    <Base.Root
      value={value}
      items={options}
      onValueChange={(next) => {
        if (next !== null) onChange(next);
      }}
    >
      <Base.Trigger
        data-slot="select"
        aria-label={label}
        className={cn(
          'flex h-8 max-w-full min-w-0 items-center justify-between gap-1.5 rounded-lg border border-line-strong bg-raised px-2.5 text-sm transition-colors duration-150 hover:bg-hover data-popup-open:bg-hover',
          className,
        )}
      >
        <Base.Value className="truncate" />
        <ChevronDown className="size-3.5 shrink-0 text-muted" aria-hidden="true" />
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner
          side="bottom"
          align="start"
          sideOffset={4}
          collisionPadding={12}
          alignItemWithTrigger={false}
          className="z-50"
        >
          <Base.Popup className="max-h-[min(24rem,var(--available-height))] min-w-(--anchor-width) origin-(--transform-origin) overflow-y-auto rounded-xl border border-line bg-raised p-1 shadow-pop transition-[opacity,scale] duration-100 ease-swell focus-visible:outline-none data-ending-style:opacity-0 data-starting-style:scale-97 data-starting-style:opacity-0">
            <Base.List>
              {options.map((option) => (
                <Base.Item
                  key={option.value}
                  value={option.value}
                  className="grid min-h-8 cursor-pointer grid-cols-[1fr_1rem] items-center gap-2 rounded-lg px-2.5 py-1 text-sm outline-none data-highlighted:bg-hover"
                >
                  <Base.ItemText>{option.label}</Base.ItemText>
                  <Base.ItemIndicator className="text-accent">
                    <Check className="size-4" aria-hidden="true" />
                  </Base.ItemIndicator>
                </Base.Item>
              ))}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

export { Select };
