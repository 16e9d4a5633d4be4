import type { LoadOptions, LoadUpdate } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { createRun } from './run';

/** Chats against the deployed address. Goes on while other parts of the panel are looked at. */
export const load = createRun<LoadOptions, LoadUpdate>((options, onUpdate, onEnd) =>
  cluster().load(options, onUpdate, onEnd),
);
