import { useId, useState } from 'react';

import { Textarea } from '@/components/ui/input';

import { ChangedMark } from './changed-mark';
import { stopProblem } from './parameter-list';

interface StopFieldProps {
  value: string[];
  onChange: (value: string[] | null) => void;
}

export function StopField({ value, onChange }: StopFieldProps) {
  const id = useId();
  const [text, setText] = useState(value.join('\n'));
  const problem = stopProblem(linesOf(text));

  const change = (next: string) => {
    setText(next);
    const lines = linesOf(next);
    if (stopProblem(lines) === null) onChange(lines.length > 0 ? lines : null);
  };

  return (
    <div>
      <label htmlFor={id} className="mb-1.5 flex items-center gap-1.5 text-sm">
        Stop texts
        {value.length > 0 && <ChangedMark label="Stop texts" onReset={() => change('')} />}
      </label>
      <Textarea
        id={id}
        rows={2}
        value={text}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-hint`}
        onChange={(event) => change(event.currentTarget.value)}
        className="font-mono text-xs"
      />
      <p id={`${id}-hint`} className={problem ? 'text-xs text-danger' : 'text-xs text-muted'}>
        {problem ?? 'One a line. The answer ends before the first of them.'}
      </p>
    </div>
  );
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
