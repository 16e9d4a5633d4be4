import { ChevronRight } from 'lucide-react';

import { Badge, type Tone } from '@/components/ui/badge';
import type { Change } from '@/platform/cluster-types';

import { DiffView } from './diff-view';
import { diffSize } from './diff';

const LOOKS: Record<Change['action'], { word: string; tone: Tone }> = {
  create: { word: 'create', tone: 'good' },
  change: { word: 'change', tone: 'accent' },
  delete: { word: 'delete', tone: 'danger' },
  same: { word: 'same', tone: 'plain' },
};

/** What would happen to each object, the ones that stay as they are last. */
export function Changes({ changes }: { changes: readonly Change[] }) {
  const moving = changes.filter(({ action }) => action !== 'same');
  const same = changes.filter(({ action }) => action === 'same');
  return (
    <div className="space-y-2">
      <p className="text-sm text-muted">{summaryOf(changes)}</p>
      {moving.length > 0 && (
        <ul
          aria-label="Changes"
          className="divide-y divide-line overflow-hidden rounded-lg border border-line"
        >
          {moving.map((change) => (
            <li key={keyOf(change)}>
              <ChangeRow change={change} />
            </li>
          ))}
        </ul>
      )}
      {same.length > 0 && (
        <details className="group rounded-lg border border-line">
          <summary className={SUMMARY}>
            <ChevronRight className={CHEVRON} aria-hidden="true" />
            {same.length} unchanged
          </summary>
          <ul className="border-t border-line px-3 py-2 text-xs leading-5 text-muted">
            {same.map((change) => (
              <li key={keyOf(change)}>
                {change.kind} {change.name}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

const SUMMARY =
  'flex min-h-9 cursor-pointer list-none items-center gap-2 px-3 py-1.5 text-sm transition-colors hover:bg-hover focus-visible:-outline-offset-2';
const CHEVRON =
  'size-3.5 shrink-0 text-muted transition-transform duration-150 [details[open]>summary>&]:rotate-90';

function ChangeRow({ change }: { change: Change }) {
  const { word, tone } = LOOKS[change.action];
  const size = change.diff === null ? null : diffSize(change.diff);
  return (
    <details open={change.conflict !== null}>
      <summary className={SUMMARY}>
        <ChevronRight className={CHEVRON} aria-hidden="true" />
        <Badge tone={tone}>{word}</Badge>
        <span className="min-w-0 truncate">
          <span className="text-muted">{change.kind}</span> {change.name}
        </span>
        <span className="ml-auto flex shrink-0 items-center gap-2">
          {change.conflict !== null && <Badge tone="danger">conflict</Badge>}
          {size && (
            <span className="font-mono text-2xs tabular">
              <span className="text-good">+{size.added}</span>{' '}
              <span className="text-danger">−{size.removed}</span>
            </span>
          )}
        </span>
      </summary>
      <div className="space-y-2 border-t border-line bg-canvas px-3 py-3">
        {change.conflict !== null && (
          <p className="rounded-lg bg-danger-soft px-3 py-2 text-sm [overflow-wrap:anywhere] text-danger">
            {change.conflict}
          </p>
        )}
        {change.diff === null ? (
          <p className="text-sm text-muted">The server sent no differences for it.</p>
        ) : (
          <DiffView diff={change.diff} label={`Changes to ${change.kind} ${change.name}`} />
        )}
      </div>
    </details>
  );
}

function summaryOf(changes: readonly Change[]): string {
  const count = (action: Change['action']) => changes.filter((change) => change.action === action).length;
  const [created, changed, deleted, same] = [
    count('create'),
    count('change'),
    count('delete'),
    count('same'),
  ];
  if (created + changed + deleted === 0) return 'The cluster has everything already; nothing changes.';
  const parts = [
    created > 0 ? `${created} created` : null,
    changed > 0 ? `${changed} changed` : null,
    deleted > 0 ? `${deleted} deleted` : null,
    same > 0 ? `${same} stay as they are` : null,
  ];
  return `${parts.filter((part) => part !== null).join(', ')}.`;
}

function keyOf({ kind, namespace, name }: Change): string {
  return `${kind}/${namespace ?? ''}/${name}`;
}
