import { cn } from '@/lib/cn';

import { diffLines, type DiffLine } from './diff';

const LOOKS: Record<DiffLine['kind'], string> = {
  added: 'bg-good-soft text-good',
  removed: 'bg-danger-soft text-danger',
  context: '',
  place: 'text-muted',
};

export function DiffView({ diff, label }: { diff: string; label: string }) {
  return (
    <pre
      tabIndex={0}
      aria-label={label}
      className="max-h-96 overflow-auto rounded-lg border border-line bg-raised py-1.5 font-mono text-xs leading-5"
    >
      <code className="block w-max min-w-full">
        {diffLines(diff).map(({ kind, text }, index) => (
          <span key={index} className={cn('block px-3', LOOKS[kind])}>
            {text || ' '}
          </span>
        ))}
      </code>
    </pre>
  );
}
