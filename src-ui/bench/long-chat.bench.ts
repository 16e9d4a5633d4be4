import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test, type Locator, type Page } from '@playwright/test';

import { Api } from '../e2e/api';
import { Server } from '../e2e/server';

// How a conversation of 1,000 messages feels. Prints a table and judges nothing: machines differ.

const MESSAGES = 1_000;
const OPENINGS = 5;
const TYPED = 'The quick brown fox jumps over the lazy dog. '.repeat(5);
/** One answer of the scripted engine: prose, a list and code, as a model would write it. */
const ANSWER = `A boat floats because of **how much water it pushes away**, not because of what it is made of.

- A solid steel ball is small for its weight, so it sinks.
- A steel *hull* is mostly air, and the water it pushes aside weighs more than the boat.

\`\`\`python
def floats(mass_kg: float, volume_m3: float) -> bool:
    return mass_kg < volume_m3 * 1000
\`\`\`
`;

test('a conversation of 1,000 messages', async ({ page }) => {
  const script = join(tmpdir(), `flotilla-bench-${process.pid}.txt`);
  await writeFile(script, ANSWER);
  const server = await Server.start({ SCRIPT: script, SCRIPT_DELAY_MS: '0' });
  try {
    const id = await seed(new Api(server.url));

    const [openings, emptyOpenings]: [number[], number[]] = [[], []];
    for (let round = 0; round < OPENINGS; round += 1) {
      const code = page.locator('article[data-role="assistant"] figure').last();
      openings.push(await opening(page, `${server.url}/c/${id}`, code));
      // What the application takes by itself, to tell it from what a thousand messages do.
      const field = page.getByRole('textbox', { name: 'Message', exact: true });
      emptyOpenings.push(await opening(page, server.url, field));
    }
    await opening(page, `${server.url}/c/${id}`, page.locator('article').last());
    await expect(page.locator('article').last()).toBeInViewport();

    const typing = await typingLatencies(page);
    console.table({
      'open, median': { ms: percentile(openings, 50), budget: 1000 },
      'open without messages, median': { ms: percentile(emptyOpenings, 50) },
      'open, slowest': { ms: percentile(openings, 100), budget: 1000 },
      'work per key, median': { ms: percentile(typing, 50), budget: 16 },
      'work per key, p95': { ms: percentile(typing, 95), budget: 16 },
      'work per key, slowest': { ms: percentile(typing, 100), budget: 16 },
    });
  } finally {
    await server.stop();
  }
});

/** Milliseconds from a blank page until `shown` is there. */
async function opening(page: Page, url: string, shown: Locator): Promise<number> {
  await page.goto('about:blank');
  const start = performance.now();
  await page.goto(url);
  await shown.waitFor();
  return performance.now() - start;
}

async function seed(api: Api): Promise<string> {
  const id = await api.conversation('A thousand messages');
  let parent: string | null = null;
  for (let pair = 0; pair < MESSAGES / 2; pair += 1) {
    parent = await api.exchange(
      id,
      `Question ${pair + 1}: why do boats float, and how would I compute it?`,
      parent,
    );
  }
  return id;
}

/**
 * Milliseconds of the page's own work for each key: handling it, and the frame that shows it. The wait for the screen
 * between the two is left out.
 */
async function typingLatencies(page: Page): Promise<number[]> {
  const field = page.getByRole('textbox', { name: 'Message', exact: true });
  await page.evaluate(() => {
    const latencies: number[] = [];
    Object.assign(window, { latencies });
    let pressed = 0;
    window.addEventListener('keydown', () => (pressed = performance.now()), { capture: true });
    window.addEventListener('input', () => {
      // Behind React, which draws in a microtask of its own.
      queueMicrotask(() => {
        const handled = performance.now() - pressed;
        requestAnimationFrame(() => {
          const frame = performance.now();
          // A message is delivered after the frame was drawn.
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => latencies.push(handled + performance.now() - frame);
          port2.postMessage(null);
        });
      });
    });
  });
  await field.pressSequentially(TYPED, { delay: 40 });
  return page.evaluate(() => (window as unknown as { latencies: number[] }).latencies);
}

function percentile(values: number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1);
  return Math.round((sorted[Math.max(0, index)] ?? 0) * 10) / 10;
}
