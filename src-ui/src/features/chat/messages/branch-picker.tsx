import { ChevronLeft, ChevronRight } from 'lucide-react';

import { IconButton } from '@/components/ui/icon-button';

import type { BranchNode } from '../tree/branch';
import { useThreadActions } from '../thread-actions';

/** `‹ 2/3 ›`: goes through the versions that stand in one place. Nothing when there is only one. */
export function BranchPicker({ node: { message, siblings } }: { node: BranchNode }) {
  const { showBranch } = useThreadActions();
  if (siblings.length < 2) return null;
  const index = siblings.indexOf(message.id);
  const go = (step: number) => {
    const sibling = siblings[index + step];
    if (sibling) showBranch(sibling);
  };
  return (
    <div role="group" aria-label="Versions" className="flex items-center text-xs text-muted tabular">
      <IconButton label="Previous version" size="sm" disabled={index === 0} onClick={() => go(-1)}>
        <ChevronLeft />
      </IconButton>
      <span aria-label={`Version ${index + 1} of ${siblings.length}`} role="img">
        {index + 1}/{siblings.length}
      </span>
      <IconButton
        label="Next version"
        size="sm"
        disabled={index === siblings.length - 1}
        onClick={() => go(1)}
      >
        <ChevronRight />
      </IconButton>
    </div>
  );
}
