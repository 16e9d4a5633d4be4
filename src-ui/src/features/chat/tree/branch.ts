import type { Message } from '@/api/types';

/** A message of the visible branch and the alternatives that stand in its place. */
export interface BranchNode {
  message: Message;
  /** Ids in the order they were made, this message's own included. */
  siblings: string[];
}

/** The path from the root to `headId`; without a head, to the newest message. */
export function visibleBranch(messages: Message[], headId: string | null): BranchNode[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const children = childrenByParent(messages);
  const branch: BranchNode[] = [];
  const seen = new Set<string>();
  let message = (headId === null ? undefined : byId.get(headId)) ?? messages.at(-1);
  while (message && !seen.has(message.id)) {
    seen.add(message.id);
    branch.push({ message, siblings: children.get(message.parent_id)?.map(({ id }) => id) ?? [message.id] });
    message = message.parent_id === null ? undefined : byId.get(message.parent_id);
  }
  return branch.reverse();
}

/** The newest leaf below a message: where choosing that message as a branch leads. */
export function newestLeaf(messages: Message[], id: string): string {
  const children = childrenByParent(messages);
  const seen = new Set<string>();
  let leaf = id;
  while (!seen.has(leaf)) {
    seen.add(leaf);
    leaf = children.get(leaf)?.at(-1)?.id ?? leaf;
  }
  return leaf;
}

function childrenByParent(messages: Message[]): Map<string | null, Message[]> {
  const children = new Map<string | null, Message[]>();
  for (const message of messages) {
    const siblings = children.get(message.parent_id);
    if (siblings) siblings.push(message);
    else children.set(message.parent_id, [message]);
  }
  return children;
}
