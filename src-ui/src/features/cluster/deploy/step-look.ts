import { formatBytes, formatCount, formatDuration } from '@/lib/format';
import type { Plan, Step } from '@/platform/cluster-types';

export const STATUS_WORDS: Record<Step['status'], string> = {
  pending: 'to come',
  running: 'running',
  waiting: 'waiting for you',
  done: 'done',
  skipped: 'not needed',
  failed: 'failed',
};

/** `12.4 s` since the step began, or for as long as it took; nothing before it began. */
export function stepTime(step: Step, now: number): string | null {
  if (step.started_at === null) return null;
  return formatDuration(Math.max(0, (step.finished_at ?? now) - step.started_at));
}

/** `312 MB of 640 MB`, `9 of 14 objects`. */
export function progressText({ done, total, unit }: NonNullable<Step['progress']>): string {
  if (unit === 'bytes') {
    return total === null ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  }
  const amount = total === null ? formatCount(done) : `${formatCount(done)} of ${formatCount(total)}`;
  return `${amount} ${unit}`;
}

/** The step that everything else waits for: the last that has begun, or the first when none has. */
export function currentStep(plan: Plan): Step | undefined {
  return (
    plan.steps.find(({ status }) => status === 'failed' || status === 'waiting' || status === 'running') ??
    plan.steps.findLast(({ status }) => status === 'done') ??
    plan.steps[0]
  );
}
