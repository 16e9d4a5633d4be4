import { test as base, expect, type Locator, type Page } from '@playwright/test';

import { Api } from './api';
import { Server } from './server';

interface TestFixtures {
  api: Api;
  chat: ChatPage;
}

/** One server for all tests; each test makes conversations of its own. No page may log an error or break the policy. */
export const test = base.extend<TestFixtures, { server: Server }>({
  server: [
    // eslint-disable-next-line no-empty-pattern -- Playwright wants the pattern
    async ({}, provide) => {
      const server = await Server.start();
      await provide(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: ({ server }, provide) => provide(server.url),
  api: ({ server }, provide) => provide(new Api(server.url)),
  chat: ({ page }, provide) => provide(new ChatPage(page)),
  page: async ({ page }, provide) => {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && message.text().includes('Content Security Policy')) {
        problems.push(message.text());
      }
    });
    await provide(page);
    expect(problems).toEqual([]);
  },
});

export { expect };

/** The page as its users name things. */
export class ChatPage {
  readonly page: Page;
  readonly field: Locator;
  readonly answers: Locator;
  readonly questions: Locator;
  readonly stopButton: Locator;

  constructor(page: Page) {
    this.page = page;
    this.field = page.getByRole('textbox', { name: 'Message', exact: true });
    this.answers = page.locator('article[data-role="assistant"]');
    this.questions = page.locator('article[data-role="user"]');
    this.stopButton = page.getByRole('button', { name: 'Stop' });
  }

  async open(conversationId: string): Promise<void> {
    await this.page.goto(`/c/${conversationId}`);
    await expect(this.field).toBeVisible();
  }

  async send(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  /** Waits until the latest answer is written to its end. */
  async answered(): Promise<void> {
    await expect(this.answers.last().getByRole('button', { name: 'Copy answer' })).toBeVisible({
      timeout: 150_000,
    });
  }

  /** Waits until the latest answer shows more than so many letters. Returns how many. */
  async streamed(letters: number): Promise<number> {
    let count = 0;
    await expect(async () => {
      count = (await this.answerLetters()).length;
      expect(count).toBeGreaterThan(letters);
    }).toPass({ timeout: 150_000, intervals: [100] });
    return count;
  }

  /** The letters of the latest answer's text. */
  async answerLetters(): Promise<string> {
    return lettersOf((await this.answers.last().locator('.markdown').allInnerTexts()).join());
  }
}

/** What a text says without its markup: letters and digits alone. */
export function lettersOf(text: string): string {
  return text.replace(/[^\p{L}]/gu, '');
}
