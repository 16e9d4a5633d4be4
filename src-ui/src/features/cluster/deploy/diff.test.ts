import { describe, expect, it } from 'vitest';

import { diffLines, diffSize } from './diff';

const DIFF = '--- cluster\n+++ wanted\n@@ -1,3 +1,3 @@\n spec:\n-  replicas: 2\n+  replicas: 3\n';

describe('a unified diff', () => {
  it('is read line by line, without the names above it', () => {
    expect(diffLines(DIFF).map(({ kind }) => kind)).toEqual(['place', 'context', 'removed', 'added']);
  });

  it('counts what is added and removed', () => {
    expect(diffSize(DIFF)).toEqual({ added: 1, removed: 1 });
  });

  it('keeps lines of dashes that are part of the text', () => {
    expect(diffLines('@@ -1 +1 @@\n ok\n--- a document\n').at(-1)).toEqual({
      kind: 'removed',
      text: '--- a document',
    });
  });
});
