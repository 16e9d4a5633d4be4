import type { Unsent } from './compose/unsent';
import type { BranchNode } from './tree/branch';

/** What the thread shows, from top to bottom. */
export type ThreadItem = { kind: 'message'; node: BranchNode } | { kind: 'unsent'; unsent: Unsent };

/** An unsent message stands behind its parent and hides what follows there: it is about to be the visible branch. */
export function threadItems(branch: BranchNode[], unsent: Unsent | null): ThreadItem[] {
  if (unsent === null || branch.some(({ message }) => message.id === unsent.id)) return branch.map(asItem);
  const parent = branch.findIndex(({ message }) => message.id === unsent.parentId);
  return [...branch.slice(0, parent + 1).map(asItem), { kind: 'unsent', unsent }];
}

export function itemId(item: ThreadItem): string {
  return item.kind === 'message' ? item.node.message.id : item.unsent.id;
}

const asItem = (node: BranchNode): ThreadItem => ({ kind: 'message', node });
