import type { ClusterEvent, Sample } from '@/platform/cluster-types';

/** A change of the number of replicas that was asked for. */
export interface ScaleMark {
  at: number;
  from: number;
  to: number;
  /** The autoscaler's own words, when it said some. */
  reason: string | null;
}

/** A sample tells of a change up to 15 seconds late, an event up to a few seconds early. */
const NEAR_MS = 30_000;

/** Where the desired number changes from one sample to the next, joined with the autoscaler's events. */
export function scaleMarks(samples: readonly Sample[], events: readonly ClusterEvent[]): ScaleMark[] {
  const rescales = events.filter(({ reason }) => reason === 'SuccessfulRescale');
  const marks: ScaleMark[] = [];
  let from: number | null = null;
  for (const { at, desired } of samples) {
    if (desired === null) continue;
    if (from !== null && desired !== from) {
      const event = nearest(rescales, at);
      marks.push({ at: event?.at ?? at, from, to: desired, reason: event?.message ?? null });
    }
    from = desired;
  }
  return marks;
}

function nearest(events: readonly ClusterEvent[], at: number): ClusterEvent | null {
  let best: ClusterEvent | null = null;
  for (const event of events) {
    const distance = Math.abs(event.at - at);
    if (distance <= NEAR_MS && (best === null || distance < Math.abs(best.at - at))) best = event;
  }
  return best;
}
