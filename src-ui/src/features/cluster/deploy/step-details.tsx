import { Alert } from '@/components/alert';
import type { Plan, Step } from '@/platform/cluster-types';

import { CommandLines } from '../parts/command-lines';
import { Changes } from './changes';
import { Checks } from './checks';
import { ConsentBar } from './consent-bar';
import { StepIcon } from './stage-bar';
import { progressText, STATUS_WORDS, stepTime } from './step-look';

interface StepDetailsProps {
  plan: Plan;
  step: Step;
  now: number;
}

/** One step: how far it is, what it found, and what could be typed instead. */
export function StepDetails({ plan, step, now }: StepDetailsProps) {
  const time = stepTime(step, now);
  const asksHere = plan.status === 'waiting' && step.status === 'waiting' && plan.waiting_for !== null;
  return (
    <section aria-labelledby="step-title" className="space-y-4 rounded-xl border border-line bg-raised p-4">
      <div>
        <div className="flex flex-wrap items-baseline gap-x-2">
          <h2 id="step-title" className="flex items-center gap-2 text-base font-semibold tracking-tight">
            <StepIcon status={step.status} />
            {step.title}
          </h2>
          <p className="text-sm text-muted tabular">
            {STATUS_WORDS[step.status]}
            {time !== null && ` · ${time}`}
          </p>
        </div>
        {step.detail !== null && (
          <p className="mt-1 text-sm [overflow-wrap:anywhere] text-muted">{step.detail}</p>
        )}
        {step.progress && <ProgressBar title={step.title} progress={step.progress} />}
      </div>
      {step.error && <Alert>{step.error.message}</Alert>}
      {step.id === 'preflight' && plan.checks.length > 0 && <Checks checks={plan.checks} />}
      {asksHere && plan.waiting_for !== null && (
        <ConsentBar kind={plan.waiting_for} changes={plan.changes} context={plan.context} />
      )}
      {(step.id === 'diff' || step.id === 'apply') && plan.changes.length > 0 && (
        <Changes changes={plan.changes} />
      )}
      {step.command !== '' && (
        <div>
          <h3 className="mb-1 text-xs font-semibold text-muted">The same by hand</h3>
          <CommandLines text={step.command} />
        </div>
      )}
    </section>
  );
}

function ProgressBar({ title, progress }: { title: string; progress: NonNullable<Step['progress']> }) {
  const text = progressText(progress);
  return (
    <div className="mt-2 flex items-center gap-3 text-xs text-muted tabular">
      <span
        role="progressbar"
        aria-label={title}
        aria-valuemin={0}
        aria-valuemax={progress.total ?? undefined}
        aria-valuenow={progress.total === null ? undefined : progress.done}
        aria-valuetext={text}
        className="h-1.5 min-w-0 flex-1 overflow-hidden rounded-full bg-hover"
      >
        <span
          className="block h-full rounded-full bg-accent transition-[width] duration-300"
          style={{ width: `${progress.total ? Math.min(100, (100 * progress.done) / progress.total) : 35}%` }}
        />
      </span>
      <span className="shrink-0">{text}</span>
    </div>
  );
}
