import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from '@playwright/test';

import { expectNothingFound } from './axe';
import { expect, test as base } from './fixtures';
import { Registry } from './registry';
import { Server } from './server';

interface Place {
  registry: Registry;
  /** Without any model yet. */
  empty: Server;
}

const test = base.extend<Place>({
  // eslint-disable-next-line no-empty-pattern -- Playwright wants the pattern
  registry: async ({}, provide) => {
    const registry = await Registry.start(12);
    await provide(registry);
    await registry.stop();
  },
  empty: async ({ registry }, provide) => {
    const models = await mkdtemp(join(tmpdir(), 'flotilla-models-'));
    const server = await Server.start({ MODELS_DIR: models, OLLAMA_REGISTRY_URL: registry.url });
    await provide(server);
    await server.stop();
    await rm(models, { recursive: true });
  },
});

/** Opens the dialog by keyboard alone. */
async function openModels(page: Page) {
  const picker = page.getByRole('combobox', { name: 'Model' });
  await picker.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('option').last()).toBeVisible();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  return page.getByRole('dialog', { name: 'Models' });
}

test('a model is downloaded by name, with progress that outlives a reload', async ({
  page,
  registry,
  empty,
}) => {
  registry.hold();
  await page.goto(empty.url);
  let dialog = await openModels(page);
  await dialog.getByLabel('Get a model').fill('qwen2.5:0.5b');
  await page.keyboard.press('Enter');
  const progress = page.getByRole('progressbar', { name: 'Download of qwen2.5:0.5b' });
  await expect(progress).toHaveAttribute('aria-valuenow', /^[3-5]\d$/);

  await page.reload();
  dialog = await openModels(page);
  await expect(progress).toHaveAttribute('aria-valuenow', /^[3-5]\d$/);
  await expect(dialog).toContainText('of 12 MB');
  registry.release();

  await expect(progress).toBeHidden();
  await expect(dialog.getByRole('list').getByText('qwen2.5:0.5b')).toBeVisible();
  await expect(dialog).toContainText('Q4_K_M · 12 MB · 4K context');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('combobox', { name: 'Model' })).toHaveText('qwen2.5:0.5b');
});

test('a download is cancelled, and a model deleted', async ({ page, registry, empty }) => {
  registry.hold();
  await page.goto(empty.url);
  const dialog = await openModels(page);
  const field = dialog.getByLabel('Get a model');
  await field.fill('qwen2.5:0.5b');
  await field.press('Enter');
  await dialog.getByRole('button', { name: 'Cancel the download of qwen2.5:0.5b' }).click();
  await expect(dialog.getByRole('progressbar')).toBeHidden();

  registry.release();
  await field.fill('qwen2.5:0.5b');
  await field.press('Enter');
  await dialog.getByRole('button', { name: 'Delete qwen2.5:0.5b' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(dialog.getByText('On this server')).toBeHidden();
});

test('a name that is none is refused at the field', async ({ page, empty }) => {
  await page.goto(empty.url);
  const dialog = await openModels(page);
  const field = dialog.getByLabel('Get a model');
  await field.fill('https://example.org/model.gguf');
  await field.press('Enter');
  await expect(dialog).toContainText('names are like qwen2.5:0.5b');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing on: models and a download, ${colorScheme}`, async ({ page, registry, empty }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.goto(empty.url);
    const dialog = await openModels(page);
    const field = dialog.getByLabel('Get a model');
    for (const model of ['small:1b', 'large:7b']) {
      await field.fill(model);
      await field.press('Enter');
      if (model === 'small:1b') await expect(dialog.getByText('On this server')).toBeVisible();
      registry.hold();
    }
    await expect(dialog.getByRole('progressbar')).toBeVisible();
    await expectNothingFound(page);
    registry.release();
  });
}
