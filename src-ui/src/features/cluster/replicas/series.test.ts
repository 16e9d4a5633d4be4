import { describe, expect, it } from 'vitest';

import { anEvent, aSample } from '@/test/cluster';

import { tableRows } from './buckets';
import { scaleMarks } from './scale-marks';
import { columnsOf } from './series';

const S = 1_000;

describe('the columns of the charts', () => {
  it('begin one sample before the edge, so that lines come in from it', () => {
    const samples = [0, 15, 30, 45].map((second) => aSample(second * S));
    expect(columnsOf(samples, 30 * S).x).toEqual([15, 30, 45]);
  });

  it('are empty when everything is older', () => {
    expect(columnsOf([aSample(0)], 60 * S).x).toEqual([]);
  });

  it('break the lines where nothing was recorded', () => {
    const columns = columnsOf([aSample(0), aSample(15 * S), aSample(600 * S)], 0);
    expect(columns.values.desired).toEqual([2, 2, null, 2]);
  });
});

describe('scale marks', () => {
  it('stand where the wish changes, with the words of the nearest event', () => {
    const samples = [aSample(0), aSample(15 * S, { desired: 3 }), aSample(30 * S, { desired: 3 })];
    const event = anEvent('1', { at: 12 * S, reason: 'SuccessfulRescale', message: 'New size: 3' });
    expect(scaleMarks(samples, [event])).toEqual([{ at: 12 * S, from: 2, to: 3, reason: 'New size: 3' }]);
  });

  it('do without an event, and leave out samples that know nothing', () => {
    const samples = [aSample(0), aSample(15 * S, { desired: null }), aSample(30 * S, { desired: 4 })];
    expect(scaleMarks(samples, [])).toEqual([{ at: 30 * S, from: 2, to: 4, reason: null }]);
  });
});

describe('the table twin', () => {
  it('has at most sixty rows, the newest first, whatever the range', () => {
    const day = Array.from({ length: 5_760 }, (_, index) => aSample(index * 15 * S));
    const rows = tableRows(day, 0, 5_760 * 15 * S);
    expect(rows).toHaveLength(60);
    expect(rows[0]?.at).toBe(5_759 * 15 * S);
  });

  it('shows every sample of a quarter of an hour', () => {
    const quarter = Array.from({ length: 60 }, (_, index) => aSample(index * 15 * S));
    expect(tableRows(quarter, 0, 900 * S)).toHaveLength(60);
  });
});
