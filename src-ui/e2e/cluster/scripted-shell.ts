import type { Page } from '@playwright/test';

import type { ClusterError } from '../../src/platform/cluster-types';

type Answers = Record<string, unknown>;

/**
 * Stands where Tauri's shell is: the page's own `invoke` and Channels reach it, and it answers from a script. The test
 * changes the answers, sends on the channels, and reads what was asked.
 */
export class ScriptedShell {
  readonly #page: Page;

  static async install(page: Page, answers: Answers): Promise<ScriptedShell> {
    await page.addInitScript(installShell, answers);
    return new ScriptedShell(page);
  }

  private constructor(page: Page) {
    this.#page = page;
  }

  /** From now on the command answers with this. */
  async answer(command: string, value: unknown): Promise<void> {
    await this.#page.evaluate(([name, next]) => window.shell.answer(name, next), [command, value] as const);
  }

  /** From now on the command rejects with this, as the shell's commands do. */
  async fail(command: string, error: ClusterError): Promise<void> {
    await this.#page.evaluate(([name, next]) => window.shell.fail(name, next), [command, error] as const);
  }

  /** Sends an update on the channel that the command was given last; waits for the command. */
  async send(command: string, message: unknown): Promise<void> {
    await this.#page.waitForFunction((name) => window.shell.hasChannel(name), command);
    await this.#page.evaluate(([name, next]) => window.shell.send(name, next), [command, message] as const);
  }

  /** The arguments of each call of a command, oldest first. */
  async calls(command: string): Promise<Record<string, unknown>[]> {
    return this.#page.evaluate((name) => window.shell.calls(name), command);
  }
}

interface Shell {
  answer: (command: string, value: unknown) => void;
  fail: (command: string, error: unknown) => void;
  send: (command: string, message: unknown) => void;
  hasChannel: (command: string) => boolean;
  calls: (command: string) => Record<string, unknown>[];
}

declare global {
  interface Window {
    shell: Shell;
    __TAURI_INTERNALS__: unknown;
  }
}

/** Runs in the page, before it: the part of `window.__TAURI_INTERNALS__` that `invoke` and `Channel` use. */
function installShell(script: Answers): void {
  const answers = new Map<string, unknown>(Object.entries(script));
  const failures = new Map<string, unknown>();
  const callbacks = new Map<number, (message: unknown) => void>();
  const channels = new Map<string, { id: number; sent: number }>();
  const asked: { command: string; args: Record<string, unknown> }[] = [];
  let nextId = 1;

  const channelOf = (args: Record<string, unknown>): number | null => {
    for (const value of Object.values(args)) {
      if (typeof value === 'object' && value !== null && 'id' in value && 'onmessage' in value) {
        return value.id as number;
      }
    }
    return null;
  };

  window.__TAURI_INTERNALS__ = {
    transformCallback: (callback: (message: unknown) => void) => {
      const id = nextId;
      nextId += 1;
      callbacks.set(id, callback);
      return id;
    },
    unregisterCallback: (id: number) => callbacks.delete(id),
    invoke: (command: string, args: Record<string, unknown> = {}) => {
      const channel = channelOf(args);
      if (channel !== null) channels.set(command, { id: channel, sent: 0 });
      asked.push({ command, args: JSON.parse(JSON.stringify(args)) as Record<string, unknown> });
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as Tauri does
      if (failures.has(command)) return Promise.reject(failures.get(command));
      if (command === 'connection') {
        return Promise.resolve({ base_url: window.location.origin, token: 'of-this-launch', server: null });
      }
      if (answers.has(command)) return Promise.resolve(answers.get(command));
      return Promise.resolve(null);
    },
  };

  window.shell = {
    answer: (command, value) => {
      failures.delete(command);
      answers.set(command, value);
    },
    fail: (command, error) => failures.set(command, error),
    hasChannel: (command) => channels.has(command),
    send: (command, message) => {
      const channel = channels.get(command);
      if (!channel) throw new Error(`${command} has no channel.`);
      callbacks.get(channel.id)?.({ index: channel.sent, message: { type: 'update', value: message } });
      channel.sent += 1;
    },
    calls: (command) => asked.filter((call) => call.command === command).map(({ args }) => args),
  };
}
