import { Check } from 'lucide-react';

import { Badge } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { cn } from '@/lib/cn';
import type { Context } from '@/platform/cluster-types';

interface ContextRowProps {
  context: Context;
  chosen: boolean;
  busy: boolean;
  onPick: () => void;
  /** Looks at the program that it would run. */
  onReview: () => void;
}

export function ContextRow({ context, chosen, busy, onPick, onReview }: ContextRowProps) {
  const asksFirst = context.exec !== null && !context.exec.trusted;
  return (
    <li
      className={cn(
        'flex items-start gap-3 rounded-xl border bg-raised px-3 py-2.5 text-sm',
        chosen ? 'border-accent shadow-[inset_0_0_0_1px_var(--accent)]' : 'border-line',
      )}
    >
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="font-medium [overflow-wrap:anywhere]">{context.id.name}</span>
          {context.is_local ? <Badge>this computer</Badge> : <Badge tone="warning">not this computer</Badge>}
          {context.is_current && <Badge>current</Badge>}
        </div>
        <p className="mt-0.5 text-xs [overflow-wrap:anywhere] text-muted">
          {context.server} · {context.user}
          {context.namespace !== null && ` · ${context.namespace}`}
        </p>
        {context.problem !== null && <p className="mt-1 text-xs text-danger">{context.problem}</p>}
        {context.problem === null && asksFirst && (
          <p className="mt-1 text-xs text-warning">It runs a program to sign in, which needs your consent.</p>
        )}
      </div>
      {asksFirst ? (
        <Button
          size="sm"
          aria-label={`Review ${context.id.name}`}
          disabled={context.problem !== null}
          onClick={onReview}
        >
          Review…
        </Button>
      ) : chosen ? (
        <span className="flex h-7 items-center gap-1 text-xs font-medium text-accent">
          <Check className="size-4" aria-hidden="true" />
          Chosen
        </span>
      ) : (
        <Button
          size="sm"
          aria-label={`Choose ${context.id.name}`}
          disabled={busy || context.problem !== null}
          onClick={onPick}
        >
          Choose
        </Button>
      )}
    </li>
  );
}
