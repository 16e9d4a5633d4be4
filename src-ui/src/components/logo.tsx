import type { ComponentProps } from 'react';

/** Three sails on one water. With `sailing` they fill one after the other. */
export function Logo({ sailing = false, ...props }: ComponentProps<'svg'> & { sailing?: boolean }) {
  const motion = (delay: string) =>
    sailing ? { animation: 'sail 1.6s steps(4) infinite', animationDelay: delay } : {};
  return (
    <svg viewBox="0 0 24 24" fill="currentColor" aria-hidden="true" {...props}>
      <path d="M6.9 6.6v8.6H1.4c.7-3.3 2.5-6.2 5.5-8.6z" opacity=".5" style={motion('0ms')} />
      <path d="M9.4 1.6c4 3.9 6.2 8.3 6.7 13.6H9.4z" style={motion('180ms')} />
      <path d="M18.4 8c2.6 2 4 4.4 4.4 7.2h-4.4z" opacity=".72" style={motion('360ms')} />
      <path
        d="M1 20.2c1.9-1.9 3.6-1.9 5.5 0s3.6 1.9 5.5 0 3.6-1.9 5.5 0 3.6 1.9 5.5 0"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
      />
    </svg>
  );
}
