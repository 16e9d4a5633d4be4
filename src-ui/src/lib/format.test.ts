import { describe, expect, it } from 'vitest';

import {
  formatAge,
  formatBytes,
  formatContextLength,
  formatDuration,
  formatOrdinal,
  formatPeriod,
  formatWeights,
} from './format';

describe('formats', () => {
  it('sizes', () => {
    expect([0, 999, 98_000_000, 4_700_000_000].map(formatBytes)).toEqual(['0 B', '999 B', '98 MB', '4.7 GB']);
  });

  it('weights', () => {
    expect([134_515_008, 3_210_000_000].map(formatWeights)).toEqual(['135M', '3.2B']);
  });

  it('durations', () => {
    expect([84, 1_240, 125_000].map(formatDuration)).toEqual(['84 ms', '1.2 s', '2 min 5 s']);
  });

  it('places in line', () => {
    expect([1, 2, 3, 4, 11, 22, 113].map(formatOrdinal)).toEqual([
      '1st',
      '2nd',
      '3rd',
      '4th',
      '11th',
      '22nd',
      '113th',
    ]);
  });

  it('context lengths', () => {
    expect([512, 2048, 131_072].map(formatContextLength)).toEqual(['512', '2K', '128K']);
  });

  it('ages', () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    const ages = [
      '2026-11-23T11:59:30Z',
      '2026-11-23T11:15:00Z',
      '2026-11-23T09:00:00Z',
      '2026-11-21T12:00:00Z',
    ];
    expect(ages.map((age) => formatAge(age, now))).toEqual(['now', '45m', '3h', '2d']);
  });

  it('periods', () => {
    const now = new Date(2026, 10, 23, 12);
    const days = [23, 22, 18, 3].map((day) => new Date(2026, 10, day, 9).toISOString());
    expect(days.map((day) => formatPeriod(day, now))).toEqual([
      'Today',
      'Yesterday',
      'Previous 7 days',
      'November 2026',
    ]);
  });
});
