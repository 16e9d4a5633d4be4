export { platform } from '@/platform/host';
export type { Capabilities, Connection, Platform } from './types';
export type { ClusterPlatform, Stop } from './cluster';
