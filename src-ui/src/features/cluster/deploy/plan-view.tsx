import { ExternalLink, Plus, RotateCw, Square } from 'lucide-react';
import { useState } from 'react';

import { Alert } from '@/components/alert';
import { Badge, type Tone } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { formatDuration, formatMoment } from '@/lib/format';
import { platform } from '@/platform';
import type { Plan, StepId } from '@/platform/cluster-types';

import { useNow } from '../parts/use-now';
import { PlanLog } from './plan-log';
import { cancel, isUnderWay, resume, usePlan } from './plan-store';
import { StageBar } from './stage-bar';
import { StepDetails } from './step-details';
import { currentStep } from './step-look';

const LOOKS: Record<Plan['status'], { title: string; word: string; tone: Tone }> = {
  running: { title: 'Deploying', word: 'running', tone: 'accent' },
  waiting: { title: 'Your consent is needed', word: 'waiting', tone: 'warning' },
  done: { title: 'Deployed', word: 'done', tone: 'good' },
  failed: { title: 'The deploy stopped', word: 'failed', tone: 'danger' },
  cancelled: { title: 'Cancelled', word: 'cancelled', tone: 'plain' },
};

const TICK_MS = 200;

/** One deploy from its checks to the answer of the real address. */
export function PlanView({ plan, onNew }: { plan: Plan; onNew: () => void }) {
  const underWay = isUnderWay(plan);
  const now = useNow(TICK_MS, underWay);
  const problem = usePlan((state) => state.problem);
  // Follows the current step until another one is picked; going back to it follows again.
  const [picked, setPicked] = useState<StepId | null>(null);
  const current = currentStep(plan);
  const step = plan.steps.find(({ id }) => id === picked) ?? current;
  const { title, word, tone } = LOOKS[plan.status];

  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-64">
          <p role="status" className="flex items-center gap-2 text-xl font-semibold tracking-tight">
            {title}
            <Badge tone={tone}>{word}</Badge>
          </p>
          <p className="mt-0.5 text-sm text-muted tabular">
            {plan.context ?? 'a new k3d cluster'} · began {formatMoment(plan.started_at)} ·{' '}
            {formatDuration(Math.max(0, (plan.finished_at ?? now) - plan.started_at))}
          </p>
        </div>
        <div className="flex flex-wrap gap-1.5">
          <PlanActions plan={plan} onNew={onNew} />
        </div>
      </div>
      {problem !== null && <Alert>{problem}</Alert>}
      {step && (
        <>
          <StageBar
            steps={plan.steps}
            selected={step.id}
            now={now}
            onSelect={(id) => setPicked(id === current?.id ? null : id)}
          />
          <StepDetails key={step.id} plan={plan} step={step} now={now} />
        </>
      )}
      <PlanLog lines={plan.log} />
    </div>
  );
}

function PlanActions({ plan, onNew }: { plan: Plan; onNew: () => void }) {
  const { url, status } = plan;
  if (isUnderWay(plan)) {
    return (
      <Button onClick={() => void cancel()}>
        <Square />
        Cancel
      </Button>
    );
  }
  return (
    <>
      {(status === 'failed' || status === 'cancelled') && (
        <Button variant="primary" onClick={() => void resume()}>
          <RotateCw />
          Resume
        </Button>
      )}
      <Button onClick={onNew}>
        <Plus />
        New deploy
      </Button>
      {status === 'done' && url !== null && (
        <Button variant="primary" onClick={() => void platform.openExternal(url)}>
          <ExternalLink />
          Open
        </Button>
      )}
    </>
  );
}
