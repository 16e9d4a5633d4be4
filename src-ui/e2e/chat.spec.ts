import { expect, lettersOf, test } from './fixtures';

/** Long, and the same every time. */
const LONG_ANSWER = { temperature: 0, max_tokens: 200 };
const SHORT_ANSWER = { temperature: 0, max_tokens: 24 };
const STORY = 'Write a very long story about a harbour, its boats and the people who live there.';

test('a first message starts a conversation and its answer is streamed', async ({ page, chat }) => {
  await page.goto('/');
  await chat.send(STORY);
  await expect(page).toHaveURL(/\/c\/[0-9a-f-]{36}$/);
  await expect(page.getByRole('status').filter({ hasText: 'Generating' })).toBeAttached();

  await chat.streamed(await chat.streamed(20));
  await chat.stopButton.click();
  await chat.answered();
});

test('an address that does not exist leads to a new chat', async ({ page, chat }) => {
  await page.goto('/no/such/page');
  await expect(page).toHaveURL('/');
  await expect(chat.field).toBeVisible();
});

test('a starter prompt is one click away', async ({ page, chat }) => {
  await page.goto('/');
  await page.getByRole('button', { name: /Make a plan/ }).click();
  await expect(chat.questions).toContainText('harbour town');
  await chat.streamed(5);
  await chat.stopButton.click();
  await chat.answered();
});

test('reloading in the middle of an answer loses and doubles nothing', async ({ page, api, chat }) => {
  const id = await api.conversation('Reload', LONG_ANSWER);
  await chat.open(id);
  await chat.send(STORY);
  for (const letters of [60, 200]) {
    await chat.streamed(letters);
    await page.reload();
  }
  await chat.answered();

  const stored = (await api.messages(id)).at(-1);
  expect(stored?.status).toBe('complete');
  expect(await chat.answerLetters()).toBe(lettersOf(stored?.content ?? ''));
});

test('leaving a chat while it answers and coming back goes on where it was', async ({ page, api, chat }) => {
  const id = await api.conversation('Leave', LONG_ANSWER);
  await chat.open(id);
  await chat.send(STORY);
  await chat.streamed(60);
  await page.getByRole('link', { name: 'New chat' }).click();
  await expect(page).toHaveURL(/\/$/);
  await page.goBack();
  await chat.answered();
  const stored = (await api.messages(id)).at(-1);
  expect(await chat.answerLetters()).toBe(lettersOf(stored?.content ?? ''));
});

test('stop reacts at once and keeps the text so far', async ({ page, api, chat }) => {
  const id = await api.conversation('Stop', LONG_ANSWER);
  await chat.open(id);
  await chat.send(STORY);
  await chat.streamed(40);
  await chat.field.press('Escape');
  await expect(chat.answers.last()).toContainText('You stopped this answer.');
  await expect(page.getByRole('status').filter({ hasText: 'Stopped' })).toBeAttached();

  const stored = (await api.messages(id)).at(-1);
  expect(stored?.status).toBe('stopped');
  expect(stored?.content.length).toBeGreaterThan(20);
});

test('answering again and editing make versions that can be chosen', async ({ page, api, chat }) => {
  const id = await api.conversation('Versions', SHORT_ANSWER);
  await api.exchange(id, 'Name a kind of boat.');
  await chat.open(id);
  const versions = page.getByRole('group', { name: 'Versions' });

  await chat.answers.getByRole('button', { name: 'Answer again' }).click();
  await expect(versions).toContainText('2/2');
  await chat.answered();
  await versions.getByRole('button', { name: 'Previous version' }).click();
  await expect(versions).toContainText('1/2');

  await chat.questions.hover();
  await chat.questions.getByRole('button', { name: 'Edit message' }).click();
  await page.getByRole('textbox', { name: 'Edit message' }).fill('Name a kind of fish.');
  await page.keyboard.press('Enter');
  await expect(chat.questions).toContainText('fish');
  await expect(chat.questions.getByRole('group', { name: 'Versions' })).toContainText('2/2');
  await chat.answered();

  await page.reload();
  await expect(chat.questions).toContainText('fish');
  await chat.questions.getByRole('button', { name: 'Previous version' }).click();
  await expect(chat.questions).toContainText('boat');
});

test('search finds a message, marks the words and jumps to it', async ({ page, api, chat }) => {
  const id = await api.conversation('Animals', SHORT_ANSWER);
  const first = await api.exchange(id, 'Tell me something about the quokka.');
  await api.exchange(id, 'And now about something else.', first);
  await page.goto('/');
  await expect(chat.field).toBeVisible();

  await page.keyboard.press('Control+k');
  await expect(page.getByRole('textbox', { name: 'Search chats' })).toBeFocused();
  await page.keyboard.type('quokka');
  const results = page.getByRole('navigation', { name: 'Chats' });
  await expect(results.locator('mark').first()).toHaveText(/quokka/i);
  await results.getByRole('link', { name: /Animals/ }).click();
  await expect(page).toHaveURL(new RegExp(`${id}\\?message=`));
  await expect(chat.questions.first()).toBeInViewport();
});

test('a chat is renamed in place and deleted after a question', async ({ page, api }) => {
  const id = await api.conversation('Before');
  await page.goto(`/c/${id}`);
  const row = page.getByRole('listitem').filter({ hasText: 'Before' });
  await row.hover();
  await row.getByRole('button', { name: /Actions/ }).click();
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('After');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('After');

  const renamed = page.getByRole('listitem').filter({ hasText: 'After' });
  await renamed.hover();
  await renamed.getByRole('button', { name: /Actions/ }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(renamed).toHaveCount(0);
  await expect(page).toHaveURL(/\/$/);
});

test('a draft and the settings of a chat are there after a reload', async ({ page, api, chat }) => {
  await chat.open(await api.conversation('Settings'));
  await page.getByRole('button', { name: 'Chat settings' }).click();
  const saved = page.waitForResponse((response) => response.request().method() === 'PATCH');
  await page.getByLabel('Temperature', { exact: true }).fill('0.3');
  await saved;
  await page.keyboard.press('Escape');
  await chat.field.fill('half a thought');

  await page.reload();
  await expect(chat.field).toHaveValue('half a thought');
  await page.getByRole('button', { name: 'Chat settings, 1 changed' }).click();
  await expect(page.getByLabel('Temperature', { exact: true })).toHaveValue('0.3');
});

test('an answer tells how it was made', async ({ page, api, chat }) => {
  const id = await api.conversation('Details', SHORT_ANSWER);
  await api.exchange(id, 'Name a harbour.');
  await chat.open(id);
  await page.getByRole('button', { name: 'Details of this answer' }).click();
  const details = page.getByRole('dialog', { name: 'About this answer' });
  await expect(details).toContainText('smollm2:135m');
  await expect(details).toContainText(/\d tokens\/s/);
  await expect(details).toContainText('Tokens out');
});

test('everything from the message to its answer works with the keyboard alone', async ({
  page,
  api,
  chat,
}) => {
  await chat.open(await api.conversation('Keyboard', SHORT_ANSWER));
  await expect(chat.field).toBeFocused();
  await page.keyboard.type('Name a sea.');
  await page.keyboard.press('Enter');
  await chat.answered();
  await page.keyboard.press('Alt+ArrowUp');
  await expect(chat.answers.last()).toBeFocused();
  await page.keyboard.press('Alt+ArrowDown');
  await expect(chat.field).toBeFocused();
});
