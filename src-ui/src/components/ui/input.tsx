import type { ComponentProps } from 'react';

import { cn } from '@/lib/cn';

const field =
  'w-full rounded-lg border border-line-strong bg-raised px-3 text-sm text-ink transition-colors duration-150 placeholder:text-muted focus-visible:border-accent focus-visible:outline-offset-0 aria-invalid:border-danger';

function Input({ className, ...props }: ComponentProps<'input'>) {
  return <input data-slot="input" className={cn(field, 'h-9', className)} {...props} />;
}

function Textarea({ className, ...props }: ComponentProps<'textarea'>) {
  return <textarea data-slot="textarea" className={cn(field, 'resize-y py-2', className)} {...props} />;
}

export { Input, Textarea };
