import { errorMessage } from '@/api/error';
import { FrameStore } from '@/lib/frame-store';
import type { Stop } from '@/platform';
import type { LogLine, LogQuery } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { own } from '../subscription';

/** Older lines are let go, so that a day of logs costs what an hour does. */
export const MAX_LINES = 5_000;

export interface NumberedLine extends LogLine {
  /** Counts from the first line of the query, so that a line keeps its place on the page. */
  number: number;
}

export interface LogState {
  lines: readonly NumberedLine[];
  /** How many lines came in all. */
  received: number;
  problem: string | null;
}

const nothing: LogState = { lines: [], received: 0, problem: null };

/** The lines of one query. */
export class LogFeed {
  readonly #store = new FrameStore<LogState>(nothing);
  readonly snapshot = this.#store.snapshot;
  readonly subscribe = this.#store.subscribe;

  readonly start = (query: LogQuery): Stop =>
    own(
      (live, onEnd) =>
        cluster().logs(
          query,
          (lines) => {
            if (live()) this.#store.update((state) => addLines(state, lines));
          },
          onEnd,
        ),
      (error) => this.#store.update((state) => ({ ...state, problem: errorMessage(error) })),
    );
}

export function addLines(state: LogState, lines: readonly LogLine[]): LogState {
  const numbered = lines.map((line, index) => ({ ...line, number: state.received + index }));
  return {
    ...state,
    lines: [...state.lines, ...numbered].slice(-MAX_LINES),
    received: state.received + lines.length,
  };
}
