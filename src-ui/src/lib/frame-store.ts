import { nextFrame } from './frame';

/** A value outside React that may change many times a frame; its readers are told once. For `useSyncExternalStore`. */
export class FrameStore<T> {
  #received: T;
  #published: T;
  readonly #listeners = new Set<() => void>();
  #scheduled = false;

  constructor(initial: T) {
    this.#received = initial;
    this.#published = initial;
  }

  readonly snapshot = (): T => this.#published;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  update(change: (value: T) => T): void {
    this.#received = change(this.#received);
    if (this.#scheduled || this.#received === this.#published) return;
    this.#scheduled = true;
    nextFrame(this.#publish);
  }

  readonly #publish = (): void => {
    this.#scheduled = false;
    this.#published = this.#received;
    for (const listener of this.#listeners) listener();
  };
}
