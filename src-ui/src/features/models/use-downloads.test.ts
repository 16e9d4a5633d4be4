import { describe, expect, it } from 'vitest';

import type { Job } from '@/api/types';

import { openDownloads } from './use-downloads';

const job = (model: string, status: Job['status']): Job => ({
  id: `${model} ${status}`,
  model,
  status,
  stage: 'downloading',
  digest: null,
  done_bytes: 0,
  total_bytes: null,
  error: null,
  created_at: '2026-11-26T12:00:00Z',
  finished_at: null,
});

describe('open downloads', () => {
  it('are those that run or failed', () => {
    const jobs = [job('a', 'running'), job('b', 'failed'), job('c', 'complete'), job('d', 'cancelled')];
    expect(openDownloads(jobs).map(({ model }) => model)).toEqual(['a', 'b']);
  });

  it('are judged by the latest try', () => {
    const jobs = [job('a', 'complete'), job('a', 'failed'), job('b', 'running'), job('b', 'failed')];
    expect(openDownloads(jobs).map(({ id }) => id)).toEqual(['b running']);
  });
});
