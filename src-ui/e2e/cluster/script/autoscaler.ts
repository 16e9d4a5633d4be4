import type { Autoscaler, Sample } from '../../../src/platform/cluster-types';
import { MINUTE, NAMESPACE } from './scene';

export function autoscaler(now: number): Autoscaler {
  return {
    name: 'backend',
    namespace: NAMESPACE,
    target: 'backend',
    min: 2,
    max: 4,
    current: 4,
    desired: 4,
    metrics: [{ name: 'cpu', current: 83, target: 50, unit: 'percent' }],
    conditions: [
      {
        type: 'AbleToScale',
        status: true,
        reason: 'ReadyForNewScale',
        message: 'recommended size matches current size',
      },
      {
        type: 'ScalingActive',
        status: true,
        reason: 'ValidMetricFound',
        message: 'the HPA was able to successfully calculate a replica count from cpu resource utilization',
      },
      {
        type: 'ScalingLimited',
        status: true,
        reason: 'TooManyReplicas',
        message: 'the desired replica count is more than the maximum replica count',
      },
    ],
    last_scaled_at: now - 4 * MINUTE,
    explanation: [
      'The backends use 83 % of the CPU that they asked for; the target is 50 %.',
      'ceil(4 × 83 / 50) = 7 replicas would bring it back to the target.',
      'The ratio 1.66 is outside the tolerance of 0.10, so a change is due.',
      'At most 4 replicas are allowed, so it stays at 4.',
      'When the load ends, the highest wish of the last 5 minutes holds it up before it scales down.',
    ],
  };
}

/** Six hours: quiet, then a load under which the autoscaler goes from 2 to 4. */
export function samples(now: number): Sample[] {
  const every = 15_000;
  return Array.from({ length: 1_440 }, (_, index) => {
    const at = now - (1_439 - index) * every;
    const minutesAgo = (now - at) / MINUTE;
    const loaded = minutesAgo < 12;
    const desired = minutesAgo < 4 ? 4 : minutesAgo < 10 ? 3 : 2;
    const current = minutesAgo < 3.8 ? 4 : minutesAgo < 9.8 ? 3 : 2;
    const ready = minutesAgo < 9.2 ? 3 : 2;
    const wave = Math.sin(index / 7) + Math.sin(index / 3.1) / 2;
    const metric = loaded ? 83 + 9 * wave - (12 - minutesAgo) : 9 + 3 * wave;
    return {
      at,
      desired,
      current,
      ready,
      min: 2,
      max: 4,
      metric: Math.max(1, Math.round(metric)),
      target: 50,
      tokens_per_second: loaded ? Math.max(0, 38 * ready + 9 * wave) : Math.max(0, 2 + wave),
      ttft_ms: loaded ? Math.max(120, 1_450 - 240 * ready + 130 * wave) : 180 + 20 * wave,
      queue_depth: loaded ? Math.max(0, Math.round(14 - 3 * ready + 2 * wave)) : 0,
      in_flight: loaded ? Math.max(0, Math.round(6 * ready + wave)) : minutesAgo % 3 < 0.5 ? 1 : 0,
    };
  });
}
