import type { ComponentProps } from 'react';

import { cn } from '@/lib/cn';

function Skeleton({ className, ...props }: ComponentProps<'div'>) {
  return (
    <div
      data-slot="skeleton"
      aria-hidden="true"
      className={cn(
        'animate-[shimmer_1.8s_linear_infinite] rounded-md bg-[linear-gradient(100deg,var(--hover)_40%,var(--sunken)_50%,var(--hover)_60%)] bg-[length:200%_100%]',
        className,
      )}
      {...props}
    />
  );
}

export { Skeleton };
