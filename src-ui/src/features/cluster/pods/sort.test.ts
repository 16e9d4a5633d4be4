import { describe, expect, it } from 'vitest';

import { aPod } from '@/test/cluster';

import { cpuShare, formatCpu, podState, shortName } from './pod-look';
import { matchingPods, sortPods } from './sort';

const names = (pods: { name: string }[]) => pods.map(({ name }) => name);

describe('pods', () => {
  it('sort by what is shown, equals by name', () => {
    const pods = [
      aPod({ name: 'c', restarts: 1 }),
      aPod({ name: 'b', restarts: 0 }),
      aPod({ name: 'a', restarts: 1 }),
    ];
    expect(names(sortPods(pods, { key: 'restarts', descending: true }))).toEqual(['a', 'c', 'b']);
    expect(names(sortPods(pods, { key: 'name', descending: true }))).toEqual(['c', 'b', 'a']);
  });

  it.each([true, false])('put the unknown last, descending %s', (descending) => {
    const pods = [aPod({ name: 'a', memory_bytes: null }), aPod({ name: 'b', memory_bytes: 1 })];
    expect(names(sortPods(pods, { key: 'memory', descending }))).toEqual(['b', 'a']);
  });

  it('sort the youngest first by age', () => {
    const pods = [aPod({ name: 'old', created_at: 1 }), aPod({ name: 'young', created_at: 9 })];
    expect(names(sortPods(pods, { key: 'age', descending: false }))).toEqual(['young', 'old']);
  });

  it('are found by words of their reason', () => {
    const pods = [aPod({ name: 'a', why: 'The image is not there.' }), aPod({ name: 'b' })];
    expect(names(matchingPods(pods, 'IMAGE not'))).toEqual(['a']);
  });

  it('have a state in a word', () => {
    const words = [
      aPod(),
      aPod({ ready: false }),
      aPod({ ready: false, phase: 'Pending' }),
      aPod({ deleting: true }),
    ].map((pod) => podState(pod).word);
    expect(words).toEqual(['ready', 'not ready', 'pending', 'ending']);
  });

  it('use a share of their request only when both are known', () => {
    expect(cpuShare(aPod({ cpu_millicores: 250, cpu_request_millicores: 500 }))).toBe(0.5);
    expect(cpuShare(aPod({ cpu_request_millicores: null }))).toBeNull();
  });

  it('are named without the random middle', () => {
    expect(['backend-7d9f8b6c54-x2x9p', 'postgres-0'].map(shortName)).toEqual([
      'backend-x2x9p',
      'postgres-0',
    ]);
  });

  it('write processors as Kubernetes does', () => {
    expect([0, 120, 2_000].map(formatCpu)).toEqual(['0m', '120m', '2']);
  });
});
