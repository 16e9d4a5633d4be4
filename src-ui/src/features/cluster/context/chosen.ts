import type { Context, ContextId, Contexts } from '@/platform/cluster-types';

export function chosenContext({ contexts, chosen }: Contexts): Context | null {
  return contexts.find((context) => chosen !== null && sameContext(context.id, chosen)) ?? null;
}

export function sameContext(a: ContextId, b: ContextId): boolean {
  return a.file === b.file && a.name === b.name;
}

/** One string for one context: a name may stand in two files. */
export function contextKey(id: ContextId | null): string {
  return id === null ? '' : JSON.stringify([id.file, id.name]);
}

/** The contexts under the file they stand in, files in the order of their first context. */
export function byFile(contexts: readonly Context[]): [file: string, contexts: Context[]][] {
  const files = new Map<string, Context[]>();
  for (const context of contexts) {
    const group = files.get(context.id.file);
    if (group) group.push(context);
    else files.set(context.id.file, [context]);
  }
  return [...files];
}
