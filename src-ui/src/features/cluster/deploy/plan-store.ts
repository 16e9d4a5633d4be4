import { create } from 'zustand';

import { errorMessage } from '@/api/error';
import type { DeployOptions, Plan } from '@/platform/cluster-types';

import { cluster } from '../cluster';

interface PlanStore {
  /** The latest plan; `null` when there was none. */
  plan: Plan | null;
  phase: 'loading' | 'known' | 'unknown';
  /** Why the last request about the plan failed. */
  problem: string | null;
}

const nothingKnown: PlanStore = { plan: null, phase: 'loading', problem: null };

export const usePlan = create<PlanStore>()(() => nothingKnown);

/** Only the latest follower may write: an older one belongs to a view that was closed or to an older plan. */
let follower = 0;

/** Shows the latest plan and follows it when it is still going. Returns the end of it; the plan itself goes on. */
export function followPlan(): () => void {
  void follow(async (show) => {
    const plan = await cluster().plan();
    if (plan !== null && isUnderWay(plan)) {
      show(plan);
      return cluster().resume(show);
    }
    return plan;
  });
  return () => {
    follower += 1;
  };
}

export const deploy = (options: DeployOptions) => follow((show) => cluster().deploy(options, show));
export const resume = () => follow((show) => cluster().resume(show));
export const consent = (answer: 'apply' | 'force' | 'refuse') => attempt(() => cluster().consent(answer));
export const cancel = () => attempt(() => cluster().cancel());

export function isUnderWay(plan: Plan): boolean {
  return plan.status === 'running' || plan.status === 'waiting';
}

async function follow(start: (show: (plan: Plan) => void) => Promise<Plan | null>): Promise<void> {
  follower += 1;
  const me = follower;
  // What the command returns may be older than what the channel has brought meanwhile.
  const channel = { told: false };
  const show = (plan: Plan | null) => {
    if (me === follower) usePlan.setState({ plan, phase: 'known', problem: null });
  };
  usePlan.setState({ problem: null });
  try {
    const plan = await start((update) => {
      channel.told = true;
      show(update);
    });
    if (!channel.told || plan?.status === 'done') show(plan);
  } catch (error) {
    if (me !== follower) return;
    usePlan.setState(({ phase }) => ({
      phase: phase === 'loading' ? 'unknown' : phase,
      problem: errorMessage(error),
    }));
  }
}

async function attempt(request: () => Promise<void>): Promise<void> {
  usePlan.setState({ problem: null });
  try {
    await request();
  } catch (error) {
    usePlan.setState({ problem: errorMessage(error) });
  }
}
