import type { Page } from '@playwright/test';

import { Api } from './api';
import { expectNothingFound } from './axe';
import { expect, test } from './fixtures';
import { picture } from './picture';
import { Server } from './server';

interface Screen {
  name: string;
  /** Narrow windows have a drawer instead of the sidebar. */
  width?: number;
  open: (page: Page, conversationId: string) => Promise<void>;
}

const conversation = (page: Page, id: string) => page.goto(`/c/${id}`).then(() => undefined);

const REFUSED = { error: { code: 'unauthorized', message: 'this server asks for a bearer token' } };

const SCREENS: Screen[] = [
  { name: 'new chat', open: (page) => page.goto('/').then(() => undefined) },
  { name: 'conversation', open: conversation },
  { name: 'narrow conversation', width: 420, open: conversation },
  {
    name: 'drawer',
    width: 420,
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('button', { name: 'Open chats' }).click();
      await expect(page.getByRole('textbox', { name: 'Search chats' })).toBeVisible();
    },
  },
  {
    name: 'chat settings',
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('button', { name: 'Chat settings' }).click();
      await page.getByLabel('Temperature', { exact: true }).fill('0.4');
    },
  },
  {
    name: 'model picker',
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('combobox', { name: 'Model' }).click();
      await expect(page.getByRole('option').first()).toBeVisible();
    },
  },
  {
    name: 'details of an answer',
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('button', { name: 'Details of this answer' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
  {
    name: 'context',
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('button', { name: /Context/ }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
  {
    name: 'editing a message',
    open: async (page, id) => {
      await conversation(page, id);
      await page.getByRole('button', { name: 'Edit message' }).press('Enter');
      await expect(page.getByRole('textbox', { name: 'Edit message' })).toBeVisible();
    },
  },
  {
    name: 'search',
    open: async (page) => {
      await page.goto('/');
      await page.getByRole('textbox', { name: 'Search chats' }).fill('lighthouse');
      await expect(page.locator('mark').first()).toBeVisible();
    },
  },
  {
    name: 'settings',
    open: async (page) => {
      await page.goto('/');
      await page.getByRole('button', { name: 'Settings', exact: true }).click();
      await expect(page.getByRole('dialog', { name: 'Settings' })).toBeVisible();
    },
  },
  {
    name: 'delete question',
    open: async (page, id) => {
      await conversation(page, id);
      // The composer takes the focus when it appears.
      await expect(page.getByRole('textbox', { name: 'Message', exact: true })).toBeFocused();
      await page
        .getByRole('button', { name: /^Actions for/ })
        .first()
        .press('Enter');
      await page.getByRole('menuitem', { name: 'Delete' }).click();
      await expect(page.getByRole('alertdialog')).toBeVisible();
    },
  },
  {
    name: 'unsent message',
    open: async (page, id) => {
      await conversation(page, id);
      await page.route('**/messages', (route) => route.abort());
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Not today.');
      await page.keyboard.press('Enter');
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  {
    name: 'access token',
    open: async (page) => {
      await page.route('**/api/**', (route) => route.fulfill({ status: 401, json: REFUSED }));
      await page.goto('/');
      await expect(page.getByRole('dialog', { name: 'Access token' })).toBeVisible();
    },
  },
  {
    name: 'missing chat',
    open: async (page) => {
      await page.goto('/c/01890000-0000-7000-8000-000000000000');
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
];

/** Shared by all screens: an answer takes the model longer than the check takes axe. */
let seeded: Promise<string> | undefined;

async function seed(api: Api): Promise<string> {
  const id = await api.conversation('Lighthouses', { temperature: 0, max_tokens: 60 });
  await api.exchange(id, 'Write two lines of Python that print the word lighthouse, in a code block.');
  return id;
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const { name, width, open } of SCREENS) {
    test(`axe finds nothing on: ${name}, ${colorScheme}`, async ({ page, api }) => {
      const id = await (seeded ??= seed(api));
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width: width ?? 1280, height: 820 });
      await open(page, id);
      await picture(page, `${name}-${width ?? 1280}-${colorScheme}`);
      await expectNothingFound(page);
    });
  }

  test(`axe finds nothing on: answer that is being written, ${colorScheme}`, async ({ page, api, chat }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await chat.open(await api.conversation('Streaming', { temperature: 0, max_tokens: 4000 }));
    await chat.send('Write a very long story about a lighthouse, with a list of its keepers.');
    await chat.streamed(20);
    await picture(page, `answer that is being written-1280-${colorScheme}`);
    await expectNothingFound(page);
    await chat.stopButton.click();
    await expect(chat.answers.last()).toContainText('You stopped this answer.');
    await expectNothingFound(page);
  });

  test(`axe finds nothing on: answer that failed, ${colorScheme}`, async ({ page, chat }) => {
    const server = await Server.start({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', MODEL_NAME: 'absent' });
    try {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.goto(server.url);
      await chat.send('Are you there?');
      await expect(chat.answers.last().getByRole('alert')).toBeVisible({ timeout: 60_000 });
      await picture(page, `answer that failed-1280-${colorScheme}`);
      await expectNothingFound(page);
    } finally {
      await server.stop();
    }
  });

  test(`axe finds nothing on: answer whose server was killed, ${colorScheme}`, async ({ page, chat }) => {
    let server = await Server.start();
    try {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const id = await new Api(server.url).conversation('Power cut', { temperature: 0, max_tokens: 2000 });
      await page.goto(`${server.url}/c/${id}`);
      await chat.send('Write a very long story about a lighthouse and its keeper.');
      await chat.streamed(120);
      await server.kill();
      await expect(chat.answers.last()).toContainText('Reconnecting…');
      await picture(page, `answer whose server was killed-1280-${colorScheme}`);
      await expectNothingFound(page);
      server = await server.startAgain();
      await chat.streamed((await chat.answerLetters()).length);
      await expectNothingFound(page);
      await chat.stopButton.click();
    } finally {
      await server.stop();
    }
  });
}
