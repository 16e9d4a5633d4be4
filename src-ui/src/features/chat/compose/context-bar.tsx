import { Popover } from '@/components/ui/popover';
import { cn } from '@/lib/cn';
import { formatCount } from '@/lib/format';

import { fitOf, type ContextBudget } from './context-budget';

interface ContextBarProps {
  budget: ContextBudget;
  /** Estimated tokens of the text being written. */
  draft: number;
}

/** How full the model's context is and with what. */
export function ContextBar({ budget, draft }: ContextBarProps) {
  const { limit, system, history } = budget;
  const used = system + history + draft;
  const left = Math.max(0, limit - used);
  const parts = [
    { name: 'System prompt', tokens: system, className: 'bg-ink/70' },
    { name: 'Conversation', tokens: history, className: 'bg-accent' },
    { name: 'Your draft', tokens: draft, className: 'bg-accent/45' },
  ];
  const share = Math.min(100, Math.round((100 * used) / limit));

  return (
    <Popover
      title="Context, about"
      className="w-64"
      trigger={
        <button
          type="button"
          aria-label={`Context ${share} percent full`}
          className="flex h-8 min-w-0 items-center gap-2 rounded-lg px-2 text-xs text-muted tabular transition-colors hover:bg-hover hover:text-ink"
        >
          <span className="flex h-1 w-20 shrink-0 overflow-hidden rounded-full bg-line">
            {parts.map(({ name, tokens, className }) => (
              <span
                key={name}
                className={cn(
                  'h-full transition-[width] duration-200',
                  fitOf(budget, draft) === 'fits' ? className : 'bg-warning',
                )}
                style={{ width: `${(100 * tokens) / Math.max(limit, used)}%` }}
              />
            ))}
          </span>
          <span className="truncate">{share} % of context</span>
        </button>
      }
    >
      <dl className="space-y-1.5 tabular">
        {[...parts, { name: 'Left', tokens: left, className: 'bg-line' }].map(
          ({ name, tokens, className }) => (
            <div key={name} className="flex items-center gap-2">
              <span className={cn('size-2 rounded-full', className)} aria-hidden="true" />
              <dt className="flex-1">{name}</dt>
              <dd className="text-muted">{formatCount(tokens)}</dd>
            </div>
          ),
        )}
      </dl>
      <p className="mt-3 text-xs text-muted">
        {formatCount(limit)} tokens in all. What does not fit is left out, oldest first.
      </p>
    </Popover>
  );
}
