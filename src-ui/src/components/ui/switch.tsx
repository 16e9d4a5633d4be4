import { Switch as Base } from '@base-ui/react/switch';
import type { ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  className?: string;
  children: ReactNode;
}

function Switch({ checked, onChange, disabled = false, className, children }: SwitchProps) {
  return (
    <label
      data-slot="switch"
      className={cn('inline-flex cursor-pointer items-center gap-2 text-sm whitespace-nowrap', className)}
    >
      <Base.Root
        checked={checked}
        disabled={disabled}
        onCheckedChange={(next) => onChange(next)}
        className="flex h-4.5 w-8 shrink-0 rounded-full bg-line-strong p-0.5 transition-colors duration-150 data-checked:bg-accent data-disabled:opacity-45"
      >
        <Base.Thumb className="size-3.5 rounded-full bg-canvas shadow-rest transition-transform duration-150 data-checked:translate-x-3.5" />
      </Base.Root>
      {children}
    </label>
  );
}

export { Switch };
