import { useId, type ReactNode } from 'react';

import { cn } from '@/lib/cn';

interface FieldProps {
  label: string;
  hint?: ReactNode;
  /** What is wrong with what was entered; takes the place of the hint. */
  problem?: string | null;
  className?: string;
  /** The control, with the id and the description it has to carry. */
  children: (control: { id: string; 'aria-describedby': string; 'aria-invalid': boolean }) => ReactNode;
}

/** A labelled control with a line of help. */
function Field({ label, hint, problem = null, className, children }: FieldProps) {
  const id = useId();
  return (
    <div data-slot="field" className={cn('min-w-0', className)}>
      <label htmlFor={id} className="mb-1 block text-sm">
        {label}
      </label>
      {children({ id, 'aria-describedby': `${id}-hint`, 'aria-invalid': problem !== null })}
      <p
        id={`${id}-hint`}
        className={cn('mt-1 text-xs empty:hidden', problem ? 'text-danger' : 'text-muted')}
      >
        {problem ?? hint}
      </p>
    </div>
  );
}

export { Field };
