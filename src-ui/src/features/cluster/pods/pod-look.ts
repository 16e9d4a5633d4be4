import type { Tone } from '@/components/ui/badge';
import type { Pod } from '@/platform/cluster-types';

/** A pod's state in a word. */
export function podState(pod: Pod): { word: string; tone: Tone } {
  if (pod.deleting) return { word: 'ending', tone: 'plain' };
  if (pod.ready) return { word: 'ready', tone: 'good' };
  if (pod.phase === 'Succeeded') return { word: 'finished', tone: 'plain' };
  if (pod.phase === 'Failed') return { word: 'failed', tone: 'danger' };
  if (pod.phase === 'Pending') return { word: 'pending', tone: 'warning' };
  return { word: 'not ready', tone: 'warning' };
}

/** `120m` as Kubernetes writes a share of a processor, `2` for whole ones. */
export function formatCpu(millicores: number): string {
  return millicores % 1000 === 0 && millicores > 0 ? String(millicores / 1000) : `${Math.round(millicores)}m`;
}

/** The share of its request that a pod uses; `null` when either is not known. */
export function cpuShare({ cpu_millicores: used, cpu_request_millicores: request }: Pod): number | null {
  return used === null || request === null || request === 0 ? null : used / request;
}

/** The random ends that a Deployment gives its pods' names say nothing; the last one tells them apart. */
export function shortName(name: string): string {
  return name.replace(/-[a-z0-9]{6,10}(-[a-z0-9]{5})$/, '$1');
}
