export { platform } from '@/platform/host';
export type { Capabilities, Connection, Platform } from './types';
export type { ClusterPlatform, OnEnd, Stop } from './cluster';
