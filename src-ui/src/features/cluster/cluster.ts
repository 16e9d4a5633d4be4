import { platform, type ClusterPlatform } from '@/platform';

/** The cluster commands. The panel is only reachable where the platform has them. */
export function cluster(): ClusterPlatform {
  if (!platform.cluster) throw new Error('The cluster panel was opened where no cluster can be managed.');
  return platform.cluster;
}
