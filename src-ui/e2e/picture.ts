import { join } from 'node:path';

import type { Page } from '@playwright/test';

/** Where pictures of every screen are put, when someone wants to look at them. */
const PICTURES = process.env.PICTURES;

/** Keeps how the page looks now, if PICTURES names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name.replaceAll(' ', '-')}.png`) });
}
