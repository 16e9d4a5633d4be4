import { Radio } from '@base-ui/react/radio';
import { RadioGroup } from '@base-ui/react/radio-group';

import { cn } from '@/lib/cn';

interface RadioCardsProps<Value extends string> {
  /** The id of the heading above them. */
  labelledBy: string;
  value: Value;
  options: readonly { value: Value; title: string; text: string; disabled?: boolean }[];
  onChange: (value: Value) => void;
  className?: string;
}

/** One of a few that need a sentence each. */
function RadioCards<Value extends string>({
  labelledBy,
  value,
  options,
  onChange,
  className,
}: RadioCardsProps<Value>) {
  return (
    <RadioGroup
      data-slot="radio-cards"
      aria-labelledby={labelledBy}
      value={value}
      onValueChange={(next) => onChange(next)}
      className={cn('grid gap-2 sm:grid-cols-2', className)}
    >
      {options.map((option) => (
        <Radio.Root
          key={option.value}
          value={option.value}
          disabled={option.disabled ?? false}
          className="flex cursor-pointer items-start gap-2.5 rounded-xl border border-line bg-raised p-3 text-start text-sm transition-[border-color,box-shadow] duration-150 hover:not-data-disabled:border-line-strong data-checked:border-accent data-checked:shadow-[inset_0_0_0_1px_var(--accent)] data-disabled:cursor-default data-disabled:bg-transparent"
        >
          <span
            aria-hidden="true"
            className="mt-0.5 flex size-4 shrink-0 items-center justify-center rounded-full border border-line-strong [[data-checked]>&]:border-accent"
          >
            <Radio.Indicator className="size-2 rounded-full bg-accent" />
          </span>
          <span className="min-w-0">
            <span className="block font-medium [overflow-wrap:anywhere] [[data-disabled]_&]:text-muted">
              {option.title}
            </span>
            <span className="mt-0.5 block text-xs text-muted">{option.text}</span>
          </span>
        </Radio.Root>
      ))}
    </RadioGroup>
  );
}

export { RadioCards };
