import { defineConfig } from '@playwright/test';

import { CHROMIUM } from './e2e/chromium';

// The real server, the real starter model and Debian's Chromium; e2e/server.ts says what has to be there.
export default defineConfig({
  testDir: 'e2e',
  // One model on a few cores: side by side the tests would only wait for each other.
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [['list']],
  use: { ...CHROMIUM, screenshot: 'only-on-failure', permissions: ['clipboard-read', 'clipboard-write'] },
});
