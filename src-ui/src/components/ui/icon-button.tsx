import { cva, type VariantProps } from 'class-variance-authority';
import type { ComponentProps } from 'react';

import { cn } from '@/lib/cn';

const iconButtonVariants = cva(
  'inline-flex shrink-0 items-center justify-center rounded-lg text-muted transition-colors duration-150 hover:not-disabled:bg-hover hover:not-disabled:text-ink disabled:opacity-40 data-popup-open:bg-hover data-popup-open:text-ink',
  {
    variants: {
      size: {
        sm: 'size-7 [&_svg]:size-[0.95rem]',
        md: 'size-9 [&_svg]:size-[1.1rem]',
      },
    },
    defaultVariants: { size: 'md' },
  },
);

type IconButtonProps = Omit<ComponentProps<'button'>, 'aria-label' | 'title'> &
  VariantProps<typeof iconButtonVariants> & {
    /** The name that is read out, and the tooltip. */
    label: string;
  };

function IconButton({ className, size, label, ...props }: IconButtonProps) {
  return (
    <button
      type="button"
      data-slot="icon-button"
      aria-label={label}
      title={label}
      className={cn(iconButtonVariants({ size }), className)}
      {...props}
    />
  );
}

export { IconButton };
