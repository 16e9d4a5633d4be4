import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { cancelJob } from '@/api/jobs';
import { pullModel } from '@/api/models';
import { jobsQuery, keys } from '@/api/queries';
import type { Job } from '@/api/types';

/** What is being downloaded, and what could not be, newest first. A model that has come is in the list of models. */
export function useDownloads(): Job[] {
  const queryClient = useQueryClient();
  const { data } = useQuery(jobsQuery());
  const complete = data?.jobs.filter(({ status }) => status === 'complete').length ?? 0;

  useEffect(() => {
    if (complete > 0) void queryClient.invalidateQueries({ queryKey: keys.models });
  }, [complete, queryClient]);

  return openDownloads(data?.jobs ?? []);
}

/** Of each model the latest job says where it stands; one that is complete or was given up needs nobody any more. */
export function openDownloads(jobs: readonly Job[]): Job[] {
  const seen = new Set<string>();
  const latest = jobs.filter(({ model }) => !seen.has(model) && seen.add(model));
  return latest.filter(({ status }) => status === 'running' || status === 'failed');
}

export function usePull() {
  return useMutation({ mutationFn: pullModel, ...useJobsAgain() });
}

export function useCancel() {
  return useMutation({ mutationFn: cancelJob, ...useJobsAgain() });
}

function useJobsAgain() {
  const queryClient = useQueryClient();
  return { onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.jobs }) };
}
