import { useId, useState } from 'react';

import { Input } from '@/components/ui/input';

import { ChangedMark } from './changed-mark';
import { numberProblem, type ParameterInfo } from './parameter-list';

interface NumberFieldProps {
  info: ParameterInfo;
  value: number | null;
  onChange: (value: number | null) => void;
}

/** A number that is sent only when it is set. What is out of range is shown as such and not sent. */
export function NumberField({ info, value, onChange }: NumberFieldProps) {
  const id = useId();
  const [refused, setRefused] = useState<string | null>(null);
  const problem = refused === null ? null : numberProblem(info, Number(refused));

  const change = (text: string) => {
    if (text === '') {
      setRefused(null);
      onChange(null);
    } else if (numberProblem(info, Number(text)) === null) {
      setRefused(null);
      onChange(Number(text));
    } else {
      setRefused(text);
    }
  };

  return (
    <div className="grid grid-cols-[1fr_6.5rem] items-center gap-x-3">
      <label htmlFor={id} className="flex items-center gap-1.5 text-sm">
        {info.label}
        {value !== null && <ChangedMark label={info.label} onReset={() => change('')} />}
      </label>
      <Input
        id={id}
        type="number"
        inputMode="decimal"
        min={info.min}
        max={info.max}
        step={info.step}
        placeholder="Default"
        value={refused ?? value ?? ''}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-hint`}
        onChange={(event) => change(event.currentTarget.value)}
        className="row-span-2 text-end tabular"
      />
      <p id={`${id}-hint`} className={problem ? 'text-xs text-danger' : 'text-xs text-muted'}>
        {problem ?? info.hint}
      </p>
    </div>
  );
}
