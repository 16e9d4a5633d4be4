import { defineConfig } from '@playwright/test';

import { CHROMIUM } from '../chromium';

// What is deployed already, at CLUSTER_URL: through its ingress, as its users reach it.
export default defineConfig({
  testDir: '.',
  testMatch: '*.deployed.ts',
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [['list']],
  use: { ...CHROMIUM, baseURL: process.env.CLUSTER_URL ?? 'http://127.0.0.1', screenshot: 'only-on-failure' },
});
