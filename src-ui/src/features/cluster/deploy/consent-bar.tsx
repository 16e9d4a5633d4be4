import { Button } from '@/components/ui/button';
import { formatPlural } from '@/lib/format';
import type { Change, Plan } from '@/platform/cluster-types';

import { consent } from './plan-store';

interface ConsentBarProps {
  kind: NonNullable<Plan['waiting_for']>;
  changes: readonly Change[];
  context: string | null;
}

/** Nothing is written to the cluster before this was answered; taking fields from another owner asks once more. */
export function ConsentBar({ kind, changes, context }: ConsentBarProps) {
  const moving = changes.filter(({ action }) => action !== 'same').length;
  const conflicts = changes.filter(({ conflict }) => conflict !== null).length;
  const where = context ?? 'the cluster';
  const force = kind === 'force';
  return (
    <div
      role="group"
      aria-label="Consent"
      className="flex flex-wrap items-center gap-x-4 gap-y-2.5 rounded-lg bg-warning-soft px-3 py-2.5 text-sm text-warning"
    >
      <p className="min-w-0 flex-1 basis-64">
        {force ? (
          <>
            <strong className="font-semibold">
              {conflicts === 1
                ? '1 object has another owner.'
                : `${formatPlural(conflicts, 'object')} have another owner.`}
            </strong>{' '}
            Forcing takes the fields named below from it, and it may take them back. Refusing leaves them and
            stops here.
          </>
        ) : (
          <>
            <strong className="font-semibold">Look at the changes, then agree.</strong>{' '}
            {moving === 0
              ? `Nothing of ${where} changes.`
              : `${formatPlural(moving, 'object')} of ${where} would be written.`}
          </>
        )}
      </p>
      <div className="flex gap-1.5">
        <Button size="sm" onClick={() => void consent('refuse')}>
          Refuse
        </Button>
        <Button size="sm" variant={force ? 'danger' : 'primary'} onClick={() => void consent(kind)}>
          {force ? 'Force' : 'Apply'}
        </Button>
      </div>
    </div>
  );
}
