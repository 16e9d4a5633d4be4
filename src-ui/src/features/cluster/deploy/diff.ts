export interface DiffLine {
  kind: 'added' | 'removed' | 'context' | 'place';
  text: string;
}

/** The lines of a unified diff. The two file names above it say nothing here. */
export function diffLines(diff: string): DiffLine[] {
  return diff
    .replace(/\n$/, '')
    .split('\n')
    .filter((line, index) => !(index < 2 && /^(---|\+\+\+)( |$)/.test(line)))
    .map((text) => ({ kind: kindOf(text), text }));
}

export function diffSize(diff: string): { added: number; removed: number } {
  const lines = diffLines(diff);
  const count = (kind: DiffLine['kind']) => lines.filter((line) => line.kind === kind).length;
  return { added: count('added'), removed: count('removed') };
}

function kindOf(line: string): DiffLine['kind'] {
  if (line.startsWith('@@')) return 'place';
  if (line.startsWith('+')) return 'added';
  if (line.startsWith('-')) return 'removed';
  return 'context';
}
