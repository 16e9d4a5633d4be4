import { Check, CircleDashed, Minus, Pause, X } from 'lucide-react';

import { Logo } from '@/components/logo';
import { cn } from '@/lib/cn';
import type { Step, StepId } from '@/platform/cluster-types';

import { STATUS_WORDS, stepTime } from './step-look';

interface StageBarProps {
  steps: readonly Step[];
  selected: StepId;
  now: number;
  onSelect: (id: StepId) => void;
}

/** The steps from left to right, each with its state and its time. Picking one shows its details. */
export function StageBar({ steps, selected, now, onSelect }: StageBarProps) {
  return (
    <ol aria-label="Steps" className="flex gap-1 sm:gap-1.5">
      {steps.map((step) => (
        <li key={step.id} className="min-w-0 flex-1">
          <button
            type="button"
            aria-current={step.id === selected ? 'step' : undefined}
            aria-label={`${step.title}: ${STATUS_WORDS[step.status]}`}
            title={step.title}
            onClick={() => onSelect(step.id)}
            className="group w-full rounded-lg px-0.5 pt-1 pb-1.5 text-start transition-colors duration-150 hover:bg-hover aria-[current]:bg-hover sm:px-1.5"
          >
            <StageProgress step={step} />
            <span
              className={cn(
                'mt-1.5 flex items-center justify-center gap-1.5 text-xs sm:justify-start',
                step.status === 'pending' || step.status === 'skipped' ? 'text-muted' : 'text-ink',
              )}
            >
              <StepIcon status={step.status} />
              <span className="hidden truncate font-medium lg:inline">{step.title}</span>
            </span>
            <span className="mt-0.5 hidden h-4 truncate text-2xs text-muted tabular sm:block">
              {stepTime(step, now) ?? (step.status === 'skipped' ? 'not needed' : '')}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function StageProgress({ step }: { step: Step }) {
  return (
    <span className="block h-1 overflow-hidden rounded-full bg-line" aria-hidden="true">
      <span
        className={cn(
          'block h-full rounded-full transition-[width] duration-300',
          step.status === 'failed' ? 'bg-danger' : step.status === 'waiting' ? 'bg-warning' : 'bg-accent',
          step.status === 'skipped' && 'bg-line-strong',
        )}
        style={{ width: `${100 * shareOf(step)}%` }}
      />
    </span>
  );
}

function shareOf({ status, progress }: Step): number {
  if (status === 'pending') return 0;
  if (status !== 'running') return 1;
  if (progress?.total) return Math.min(1, Math.max(0.04, progress.done / progress.total));
  return 0.35;
}

export function StepIcon({ status }: { status: Step['status'] }) {
  const size = 'size-3.5 shrink-0';
  switch (status) {
    case 'done':
      return <Check className={cn(size, 'text-accent')} aria-hidden="true" />;
    case 'failed':
      return <X className={cn(size, 'text-danger')} aria-hidden="true" />;
    case 'waiting':
      return <Pause className={cn(size, 'text-warning')} aria-hidden="true" />;
    case 'running':
      return <Logo sailing className={cn(size, 'text-accent')} />;
    case 'skipped':
      return <Minus className={cn(size, 'text-muted')} aria-hidden="true" />;
    case 'pending':
      return <CircleDashed className={cn(size, 'text-muted')} aria-hidden="true" />;
  }
}
