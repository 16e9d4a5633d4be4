import { create } from 'zustand';

import { errorMessage } from '@/api/error';
import type { OnEnd, Stop } from '@/platform';

import { own } from '../subscription';

interface RunState<Options, Update> {
  /** What it was started with; `null` before the first one. */
  options: Options | null;
  /** The latest of it; kept after the end as its result. */
  update: Update | null;
  running: boolean;
  problem: string | null;
}

/** One thing at a time that is started, tells how it goes, and ends by itself or when it is stopped. */
export function createRun<Options, Update extends { done: boolean }>(
  start: (options: Options, onUpdate: (update: Update) => void, onEnd: OnEnd) => Promise<Stop>,
) {
  const initial: RunState<Options, Update> = { options: null, update: null, running: false, problem: null };
  const use = create<RunState<Options, Update>>()(() => initial);
  let stop: Stop | null = null;

  const end = (): void => {
    stop?.();
    stop = null;
    use.setState({ running: false });
  };

  const begin = (options: Options): void => {
    end();
    use.setState({ ...initial, options, running: true });
    stop = own(
      (live, onEnd) =>
        start(
          options,
          (update) => {
            if (live()) use.setState({ update, running: !update.done });
          },
          (error) => {
            onEnd(error);
            if (live()) use.setState({ running: false });
          },
        ),
      (error) => use.setState({ running: false, problem: errorMessage(error) }),
    );
  };

  return { use, begin, end };
}
