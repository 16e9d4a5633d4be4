import { Radio } from '@base-ui/react/radio';
import { RadioGroup } from '@base-ui/react/radio-group';
import type { ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface SegmentsProps<Value extends string | number> {
  /** What is being chosen, for screen readers. */
  label: string;
  value: Value;
  options: readonly { value: Value; label: ReactNode }[];
  onChange: (value: Value) => void;
  className?: string;
}

/** One of a few, all in sight. */
function Segments<Value extends string | number>({
  label,
  value,
  options,
  onChange,
  className,
}: SegmentsProps<Value>) {
  return (
    <RadioGroup
      data-slot="segments"
      aria-label={label}
      value={value}
      onValueChange={(next) => onChange(next)}
      className={cn('inline-flex gap-0.5 rounded-lg bg-hover p-0.5 dark:bg-sunken', className)}
    >
      {options.map((option) => (
        <Radio.Root
          key={option.value}
          value={option.value}
          className="flex h-7 cursor-pointer items-center justify-center gap-1.5 rounded-md px-2.5 text-xs whitespace-nowrap text-muted transition-colors duration-150 hover:text-ink data-checked:bg-raised data-checked:font-medium data-checked:text-ink data-checked:shadow-rest dark:data-checked:bg-hover"
        >
          {option.label}
        </Radio.Root>
      ))}
    </RadioGroup>
  );
}

export { Segments };
