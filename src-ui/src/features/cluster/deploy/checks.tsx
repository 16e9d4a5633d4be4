import { CircleCheck, CircleX, TriangleAlert } from 'lucide-react';

import type { Check } from '@/platform/cluster-types';

const LOOKS = {
  ok: { icon: CircleCheck, color: 'text-accent', word: 'fine' },
  warning: { icon: TriangleAlert, color: 'text-warning', word: 'warning' },
  failed: { icon: CircleX, color: 'text-danger', word: 'failed' },
} as const;

/** What was looked at before anything is changed. */
export function Checks({ checks }: { checks: readonly Check[] }) {
  return (
    <ul aria-label="Checks" className="divide-y divide-line rounded-lg border border-line">
      {checks.map((check) => {
        const { icon: Icon, color, word } = LOOKS[check.status];
        return (
          <li key={check.name} className="flex items-start gap-2.5 px-3 py-2 text-sm">
            <Icon className={`mt-0.5 size-4 shrink-0 ${color}`} aria-hidden="true" />
            <div className="grid min-w-0 flex-1 gap-x-4 sm:grid-cols-[11rem_1fr]">
              <span className="font-medium">
                {check.name}
                <span className="sr-only">: {word}</span>
              </span>
              <span className="[overflow-wrap:anywhere] text-muted">{check.message}</span>
            </div>
          </li>
        );
      })}
    </ul>
  );
}
