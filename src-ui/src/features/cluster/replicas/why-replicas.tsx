import { CircleAlert, CircleCheck } from 'lucide-react';

import { Badge } from '@/components/ui/badge';
import { formatAge } from '@/lib/format';
import type { Autoscaler } from '@/platform/cluster-types';

import { Card, Section } from '../parts/section';
import { useNow } from '../parts/use-now';

const MINUTE_MS = 60_000;

/** The autoscaler's arithmetic in words, and what it says of itself. */
export function WhyReplicas({ autoscaler }: { autoscaler: Autoscaler }) {
  const now = useNow(MINUTE_MS);
  const {
    target,
    current,
    desired,
    min,
    max,
    explanation,
    conditions,
    last_scaled_at: scaledAt,
  } = autoscaler;
  return (
    <Section title="Why this many replicas">
      <Card className="p-4 text-sm">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className="text-2xl font-semibold tracking-tight tabular">
            {explanation.length > 0 ? current : '–'}
            {desired !== current && <span className="text-accent"> → {desired}</span>}
          </span>
          <span className="text-muted">
            of {target}, between {min} and {max}
            {scaledAt !== null && `, last changed ${sinceWords(scaledAt, now)}`}
          </span>
        </p>
        {explanation.length > 0 ? (
          <ol className="mt-3 space-y-1.5">
            {explanation.map((sentence, index) => (
              <li key={index} className="grid grid-cols-[1.25rem_1fr] text-pretty">
                <span className="text-muted tabular" aria-hidden="true">
                  {index + 1}
                </span>
                {sentence}
              </li>
            ))}
          </ol>
        ) : (
          <p className="mt-3 text-muted">The autoscaler has not worked anything out yet.</p>
        )}
        {conditions.length > 0 && (
          <ul aria-label="What the autoscaler says" className="mt-4 space-y-1.5 border-t border-line pt-3">
            {conditions.map(({ type, status, reason, message }) => {
              const good = status !== (type === 'ScalingLimited');
              const Icon = good ? CircleCheck : CircleAlert;
              return (
                <li key={type} className="grid grid-cols-[1.25rem_1fr] text-xs">
                  <Icon
                    className={good ? 'mt-0.5 size-3.5 text-accent' : 'mt-0.5 size-3.5 text-warning'}
                    aria-hidden="true"
                  />
                  <span className="min-w-0 [overflow-wrap:anywhere] text-muted">
                    <Badge tone={good ? 'plain' : 'warning'}>{reason}</Badge> {message}
                  </span>
                </li>
              );
            })}
          </ul>
        )}
      </Card>
    </Section>
  );
}

function sinceWords(at: number, now: number): string {
  const age = formatAge(at, now);
  return age === 'now' ? 'just now' : /^\d/.test(age) && age.length < 4 ? `${age} ago` : `on ${age}`;
}
