import { describe, expect, it } from 'vitest';

import { placeOf } from './views';

describe('the place that an address names', () => {
  it('is a view, and the pod of the logs', () => {
    expect(placeOf({ view: 'logs', pod: 'postgres-0' })).toEqual({ view: 'logs', pod: 'postgres-0' });
  });

  it('is nothing for what the panel does not know', () => {
    expect(placeOf({ view: 'secrets', pod: 7 })).toEqual({});
  });
});
