import { fileURLToPath } from 'node:url';

import { test as base, expect, type Page } from '@playwright/test';

import { Server } from '../server';
import { CONTEXTS } from './script/contexts';
import { OPTIONS } from './script/plans';
import { ScriptedShell } from './scripted-shell';

const UI_DIR = fileURLToPath(new URL('../../dist-desktop', import.meta.url));

/** What the shell says until a test makes it say something else. */
const ANSWERS = {
  cluster_contexts: CONTEXTS,
  cluster_default_options: OPTIONS,
  cluster_plan: null,
  cluster_watch: 'watch-1',
  cluster_logs: 'logs-1',
  cluster_load: 'load-1',
  cluster_drill: 'drill-1',
  cluster_forwards: [],
  cluster_limits: { load_chats: 64, load_seconds: 600, drill_chats: 32 },
};

/** The page of the desktop build, with a script in the place of the shell. `npm run build:desktop` comes first. */
export class Desktop {
  readonly page: Page;
  readonly shell: ScriptedShell;

  static async open(
    page: Page,
    answers: Record<string, unknown> = {},
    address = '/cluster',
  ): Promise<Desktop> {
    const shell = await ScriptedShell.install(page, { ...ANSWERS, ...answers });
    await page.goto(address);
    await expect(page.getByRole('heading', { name: 'Cluster', level: 1 })).toBeVisible();
    return new Desktop(page, shell);
  }

  private constructor(page: Page, shell: ScriptedShell) {
    this.page = page;
    this.shell = shell;
  }

  async go(tab: string): Promise<void> {
    await this.page.getByRole('tab', { name: tab }).click();
  }
}

interface DesktopFixtures {
  open: (answers?: Record<string, unknown>, address?: string) => Promise<Desktop>;
}

/** One server for all tests serves the page and its chats. No page may log an error or break the policy. */
export const test = base.extend<DesktopFixtures, { server: Server }>({
  server: [
    // eslint-disable-next-line no-empty-pattern -- Playwright wants the pattern
    async ({}, provide) => {
      const server = await Server.start({ UI_DIR });
      await provide(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: ({ server }, provide) => provide(server.url),
  page: async ({ page }, provide) => {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await provide(page);
    expect(problems).toEqual([]);
  },
  open: ({ page }, provide) => provide((answers, address) => Desktop.open(page, answers, address)),
});

export { expect };
