import { defineConfig } from '@playwright/test';

import { CHROMIUM } from '../e2e/chromium';

export default defineConfig({
  testDir: '.',
  testMatch: '*.bench.ts',
  workers: 1,
  timeout: 600_000,
  reporter: 'line',
  use: CHROMIUM,
});
