import type { DrillOptions, DrillReport } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { createRun } from './run';

/** Ends a pod while it answers, and counts what was lost. */
export const drill = createRun<DrillOptions, DrillReport>((options, onUpdate, onEnd) =>
  cluster().drill(options, onUpdate, onEnd),
);
