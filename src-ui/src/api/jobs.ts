import { open, request } from './client';
import type { JobList } from './types';

export function listJobs(signal?: AbortSignal): Promise<JobList> {
  return request('GET', '/api/jobs', { signal });
}

/** Ends a download, or gives up one that failed; what has come of it is removed. */
export function cancelJob(id: string): Promise<void> {
  return open('POST', `/api/jobs/${id}/cancel`).then(() => undefined);
}
