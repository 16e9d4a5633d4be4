import { expect, test } from '@playwright/test';

import { Api } from '../api';
import { ChatPage, lettersOf } from '../fixtures';

const STORY = 'Write a very long story about a harbour, its boats and the people who live there.';

test('an answer appears piece by piece, not in one at its end', async ({ page }) => {
  const chat = new ChatPage(page);
  await page.goto('/');
  await chat.send(STORY);

  let letters = 0;
  for (let piece = 0; piece < 5; piece++) letters = await chat.streamed(letters);

  await expect(chat.stopButton).toBeVisible();
  await chat.stopButton.click();
  await chat.answered();
});

test('reloading in the middle loses and doubles nothing, whichever replica the browser reaches then', async ({
  page,
  baseURL,
}) => {
  const chat = new ChatPage(page);
  await page.goto('/');
  await chat.send(STORY);

  let letters = 0;
  for (let reload = 0; reload < 4; reload++) {
    letters = await chat.streamed(letters);
    await page.reload();
  }

  await chat.streamed(letters);
  await chat.stopButton.click();
  await chat.answered();

  const conversation = new URL(page.url()).pathname.replace('/c/', '');
  const stored = (await new Api(baseURL ?? '').messages(conversation)).at(-1);
  expect(await chat.answerLetters()).toBe(lettersOf(stored?.content ?? ''));
});
