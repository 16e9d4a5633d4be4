import { Api } from './api';
import { expect, lettersOf, test } from './fixtures';
import { Server } from './server';

test('an engine that is down is an error on the answer, with Retry', async ({ page, chat }) => {
  const server = await Server.start({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', MODEL_NAME: 'absent' });
  try {
    await page.goto(server.url);
    await chat.send('Are you there?');
    await expect(chat.questions).toContainText('Are you there?');
    await expect(page.getByRole('alert')).toBeVisible({ timeout: 60_000 });
    await page.getByRole('alert').getByRole('button', { name: 'Retry' }).click();
    await expect(chat.questions).toContainText('Are you there?');
    await expect(page.getByRole('alert')).toBeVisible({ timeout: 60_000 });
  } finally {
    await server.stop();
  }
});

test('a message that could not be sent waits, also across a reload, and is stored once', async ({
  page,
  api,
  chat,
}) => {
  const id = await api.conversation('Unsent', { max_tokens: 8 });
  await chat.open(id);
  await page.route('**/messages', (route) => route.abort());
  await chat.send('Do not lose me.');
  await expect(page.getByRole('alert')).toContainText('Not sent.');
  await page.reload();
  await expect(page.getByRole('alert')).toContainText('Not sent.');

  await page.unroute('**/messages');
  await page.getByRole('button', { name: 'Retry' }).click();
  await chat.answered();
  expect((await api.messages(id)).filter(({ content }) => content === 'Do not lose me.')).toHaveLength(1);
});

test('a send whose answer got lost is not stored twice', async ({ page, api, chat }) => {
  const id = await api.conversation('Lost answer', { max_tokens: 8 });
  await chat.open(id);
  await page.route('**/messages', async (route) => {
    await route.fetch();
    await route.abort();
  });
  await chat.send('Once only.');
  await expect(page.getByRole('alert')).toContainText('Not sent.');
  await page.unroute('**/messages');
  await page.getByRole('button', { name: 'Retry' }).click();
  await chat.answered();
  expect((await api.messages(id)).filter(({ role }) => role === 'user')).toHaveLength(1);
});

test('a server killed in the middle of an answer: started again, it goes on where it was', async ({
  page,
  chat,
}) => {
  let server = await Server.start();
  try {
    const api = new Api(server.url);
    const id = await api.conversation('Power cut', { temperature: 0, max_tokens: 300 });
    await page.goto(`${server.url}/c/${id}`);
    await chat.send('Write a very long story about a lighthouse and its keeper.');
    await chat.streamed(120);
    await server.kill();
    await expect(chat.answers.last()).toContainText('Reconnecting…');
    const shown = await chat.answerLetters();

    server = await server.startAgain();
    await chat.answered();
    const letters = await chat.answerLetters();
    expect(letters.slice(0, shown.length)).toBe(shown);
    const answer = (await api.messages(id))[1];
    expect(letters).toBe(lettersOf(answer?.content ?? ''));
    expect(answer?.details?.completion_tokens).toBe(300);
  } finally {
    await server.stop();
  }
});

test('a chat that does not exist says so', async ({ page }) => {
  await page.goto('/c/01890000-0000-7000-8000-000000000000');
  await expect(page.getByRole('alert')).toContainText('does not exist');
  await page.getByRole('link', { name: 'New chat' }).last().click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('New chat');
});
