import { Slider as Base } from '@base-ui/react/slider';

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  disabled?: boolean;
  onChange: (value: number) => void;
}

function Slider({ label, value, min, max, step = 1, disabled = false, onChange }: SliderProps) {
  return (
    <Base.Root
      data-slot="slider"
      value={value}
      min={min}
      max={max}
      step={step}
      disabled={disabled}
      onValueChange={(next) => onChange(next)}
    >
      <Base.Control className="flex h-6 w-full touch-none items-center data-disabled:opacity-45">
        <Base.Track className="h-1.5 w-full rounded-full bg-hover">
          <Base.Indicator className="rounded-full bg-accent" />
          <Base.Thumb
            aria-label={label}
            className="size-4 rounded-full border-2 border-accent bg-raised shadow-rest has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent"
          />
        </Base.Track>
      </Base.Control>
    </Base.Root>
  );
}

export { Slider };
