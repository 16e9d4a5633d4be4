import { ApiError } from '@/api/error';
import { openRunEvents, stopRun } from '@/api/runs';
import { readEvents } from '@/api/sse';
import type { RunEvent } from '@/api/types';

import { nextTextFrame } from './frame';
import { newRun, reduceRun, type RunAction, type RunState } from './run-state';

/** The server sends a heartbeat every 15 s, so twice that means the connection is dead. */
const SILENCE_MS = 30_000;
const BACK_OFF_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];

/**
 * Follows one run while anyone is subscribed. Events are reduced as they arrive and published at most once a frame;
 * what was received is kept between subscriptions, so the next one resumes behind the last event.
 */
export class RunFeed {
  readonly #runId: string;
  #received: RunState = newRun;
  #published: RunState = newRun;
  readonly #listeners = new Set<() => void>();
  #connection: AbortController | null = null;
  #cancelFrame: (() => void) | null = null;

  constructor(runId: string) {
    this.#runId = runId;
  }

  readonly snapshot = (): RunState => this.#published;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#connection === null && this.#received.phase === 'running') {
      this.#connection = new AbortController();
      void this.#follow(this.#connection.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#disconnect();
    };
  };

  /** Shows at once that the answer is being stopped. Throws when the server could not be told. */
  async stop(): Promise<void> {
    this.#reduce({ type: 'stop_requested' });
    this.#publish();
    try {
      await stopRun(this.#runId);
    } catch (error) {
      this.#reduce({ type: 'stop_failed' });
      throw error;
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const cancelled = () => signal.aborted;
    for (let failures = 0; !cancelled();) {
      const before = this.#received.lastSeq;
      try {
        const stream = await openRunEvents(this.#runId, before, signal);
        this.#reduce({ type: 'connected' });
        for await (const { id, data } of readEvents(stream, SILENCE_MS)) {
          if (cancelled()) return;
          this.#reduce({ type: 'event', seq: Number(id), event: JSON.parse(data) as RunEvent });
          if (this.#received.phase !== 'running') return;
        }
      } catch (error) {
        if (cancelled()) return;
        if (error instanceof ApiError && error.code === 'not_found') {
          this.#reduce({ type: 'run_gone' });
          return;
        }
      }
      this.#reduce({ type: 'disconnected' });
      failures = this.#received.lastSeq > before ? 0 : failures + 1;
      await pause(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length - 1)] ?? 0, signal);
    }
  }

  #reduce(action: RunAction): void {
    this.#received = reduceRun(this.#received, action);
    this.#cancelFrame ??= nextTextFrame(this.#received.text.length, () => this.#publish());
  }

  #publish(): void {
    this.#cancelFrame?.();
    this.#cancelFrame = null;
    this.#published = this.#received;
    for (const listener of this.#listeners) listener();
  }

  #disconnect(): void {
    this.#connection?.abort();
    this.#connection = null;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
