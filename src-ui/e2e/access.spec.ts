import { expect, test } from './fixtures';
import { Server } from './server';

test('a server with a token is used from the browser once the token was entered', async ({ page, chat }) => {
  const server = await Server.start({ ACCESS_TOKEN: 'open sesame' });
  try {
    await page.goto(server.url);
    const question = page.getByRole('dialog', { name: 'Access token' });
    const field = question.getByLabel('Token', { exact: true });
    await field.fill('open barley');
    await field.press('Enter');
    await expect(question.getByRole('alert')).toHaveText('The server does not take this token.');
    await field.fill('open sesame');
    await question.getByRole('button', { name: 'Continue' }).click();
    await expect(question).toBeHidden();

    await chat.send('Write a very long story about a cave full of treasure.');
    await chat.streamed(20);
    await chat.stopButton.click();
    await chat.answered();

    await page.reload();
    await expect(chat.questions).toContainText('treasure');
    await expect(question).toBeHidden();
  } finally {
    await server.stop();
  }
});
