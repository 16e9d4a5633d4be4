import { errorMessage } from '@/api/error';
import { FrameStore } from '@/lib/frame-store';
import type { Stop } from '@/platform';

import { cluster } from '../cluster';
import { own } from '../subscription';
import { reduceLive, unknown, type LiveState } from './live-state';

/** Follows the chosen cluster from `start` until it is stopped. Updates are reduced as they arrive, outside React. */
export class LiveFeed {
  readonly #store = new FrameStore<LiveState>(unknown);
  readonly snapshot = this.#store.snapshot;
  readonly subscribe = this.#store.subscribe;

  readonly start = (): Stop =>
    own(
      (live, onEnd) =>
        cluster().watch((update) => {
          if (live()) this.#store.update((state) => reduceLive(state, { type: 'update', update }));
        }, onEnd),
      (error) =>
        this.#store.update((state) => reduceLive(state, { type: 'failed', problem: errorMessage(error) })),
    );
}
