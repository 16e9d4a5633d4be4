import { expect, it } from 'vitest';

import { uuidv7 } from './uuid';

it('makes version 7 ids that sort by time', () => {
  const ids = [1, 1_000, 1_800_000_000_000].map((time) => uuidv7(time));
  expect(ids.toSorted()).toEqual(ids);
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it('never makes the same id twice', () => {
  const ids = Array.from({ length: 1_000 }, () => uuidv7(0));
  expect(new Set(ids).size).toBe(ids.length);
});
