import { beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '@/api/error';
import type { DeployOptions, Plan } from '@/platform/cluster-types';

import { consent, deploy, followPlan, usePlan } from './plan-store';

type Follow = (onUpdate: (plan: Plan) => void) => Promise<Plan>;

const commands = vi.hoisted(() => ({
  plan: vi.fn<() => Promise<Plan | null>>(),
  resume: vi.fn<Follow>(),
  deploy: vi.fn<(options: DeployOptions, onUpdate: (plan: Plan) => void) => Promise<Plan>>(),
  consent: vi.fn<() => Promise<void>>(),
}));
vi.mock('../cluster', () => ({ cluster: () => commands }));

const OPTIONS: DeployOptions = {
  target: { kind: 'context' },
  overlay: 'k3d',
  images: { kind: 'present' },
  load_command: null,
  url: 'http://localhost',
};

function aPlan(changes: Partial<Plan>): Plan {
  return {
    id: 'plan',
    context: null,
    options: OPTIONS,
    status: 'running',
    waiting_for: null,
    steps: [],
    checks: [],
    changes: [],
    log: [],
    url: null,
    started_at: 0,
    finished_at: null,
    ...changes,
  };
}

describe('the plan of a deploy', () => {
  beforeEach(() => {
    for (const command of Object.values(commands)) command.mockReset();
    usePlan.setState({ plan: null, phase: 'loading', problem: null });
  });

  it('that runs when the panel opens is followed', async () => {
    commands.plan.mockResolvedValue(aPlan({ status: 'waiting' }));
    commands.resume.mockImplementation((onUpdate) => {
      onUpdate(aPlan({ status: 'done' }));
      return Promise.resolve(aPlan({ status: 'running' }));
    });
    followPlan();
    await vi.waitFor(() => expect(usePlan.getState().plan?.status).toBe('done'));
  });

  it('that has ended is shown and not gone on with', async () => {
    commands.plan.mockResolvedValue(aPlan({ status: 'failed' }));
    followPlan();
    await vi.waitFor(() => expect(usePlan.getState().plan?.status).toBe('failed'));
    expect(commands.resume).not.toHaveBeenCalled();
  });

  it('is not turned back by the older answer of its command', async () => {
    commands.deploy.mockImplementation((_, onUpdate) => {
      onUpdate(aPlan({ status: 'waiting', waiting_for: 'apply' }));
      return Promise.resolve(aPlan({ status: 'running' }));
    });
    await deploy(OPTIONS);
    expect(usePlan.getState().plan?.waiting_for).toBe('apply');
  });

  it('writes no more once its view was closed', async () => {
    let tell: (plan: Plan) => void = () => undefined;
    commands.plan.mockResolvedValue(aPlan({}));
    commands.resume.mockImplementation((onUpdate) => {
      tell = onUpdate;
      return Promise.resolve(aPlan({}));
    });
    const end = followPlan();
    await vi.waitFor(() => expect(commands.resume).toHaveBeenCalled());
    end();
    tell(aPlan({ status: 'done' }));
    expect(usePlan.getState().plan?.status).toBe('running');
  });

  it('keeps what is known when a request about it fails, and says why', async () => {
    usePlan.setState({ plan: aPlan({ status: 'waiting' }), phase: 'known' });
    commands.consent.mockRejectedValue(new ApiError('The plan has ended.', { code: 'not_found' }));
    await consent('apply');
    expect(usePlan.getState()).toMatchObject({
      phase: 'known',
      problem: 'The plan has ended.',
      plan: { status: 'waiting' },
    });
  });
});
