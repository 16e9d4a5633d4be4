import type { Page } from '@playwright/test';

import { expectNothingFound } from './axe';
import { expect, test } from './cluster/desktop';
import { FORWARD_PREVIEW, openLive, SCREENS } from './cluster/screens';
import { CHANGES, TEARDOWN } from './cluster/script/changes';
import { CONTEXTS, NOTHING_CHOSEN, REMOTE, REMOTE_CHOSEN } from './cluster/script/contexts';
import { live } from './cluster/script/live';
import { ASKING, CONFLICTING, DONE, FAILED, IMPORTING, MAKING, OPTIONS } from './cluster/script/plans';
import { pods } from './cluster/script/pods';
import { picture } from './picture';

const LOOKS = [
  [1280, 'light'],
  [1280, 'dark'],
  [420, 'dark'],
  [420, 'light'],
] as const;

for (const { name, open: openScreen } of SCREENS) {
  test(`axe finds nothing on: ${name}`, async ({ page, open }) => {
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 1280, height: 820 });
    await openScreen(open);
    for (const [width, colorScheme] of LOOKS) {
      await page.setViewportSize({ width, height: 820 });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await drawn(page);
      await picture(page, `${name}-${width}-${colorScheme}`);
      await expectNothingFound(page, `${width} px, ${colorScheme}`);
    }
  });
}

/** Drawn as it stays: under reduced motion nothing changes colour by degrees. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

test('nothing is wider than a narrow window', async ({ page, open }) => {
  await page.setViewportSize({ width: 420, height: 820 });
  const desktop = await openLive(open, { cluster_plan: DONE(Date.now()) });
  for (const tab of ['Overview', 'Pods', 'Logs', 'Events', 'Port forwards', 'Load and drill', 'Deploy']) {
    await desktop.go(tab);
    const overflow = await page.locator('main').evaluate((main) => main.scrollWidth - main.clientWidth);
    expect(overflow, tab).toBeLessThanOrEqual(0);
  }
});

test('a program of a kubeconfig runs only after its command was shown and agreed to', async ({
  page,
  open,
}) => {
  const { shell } = await open({ cluster_trust: CONTEXTS, cluster_choose: CONTEXTS });
  await page.getByRole('button', { name: /^Cluster: k3d-flotilla/ }).click();
  await page.getByRole('button', { name: /^Review gke_/ }).click();
  await expect(page.getByLabel('Equivalent command')).toHaveText(
    "gke-gcloud-auth-plugin --project harbour --note 'two words; rm -rf ~'",
  );
  expect(await shell.calls('cluster_choose')).toEqual([]);
  expect(await shell.calls('cluster_trust')).toEqual([]);

  await page.getByRole('button', { name: 'Run it and connect' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect(await shell.calls('cluster_trust')).toEqual([
    { context: REMOTE.id, fingerprint: REMOTE.exec?.fingerprint },
  ]);
  expect(await shell.calls('cluster_choose')).toEqual([{ context: REMOTE.id }]);
});

test('a deploy goes from the form over both consents to the open address', async ({ page, open }) => {
  const now = Date.now();
  const { shell } = await open({ cluster_contexts: NOTHING_CHOSEN, cluster_deploy: IMPORTING(now) });
  await page.getByLabel('Web port').fill('8081');
  await expect(page.getByLabel('Address')).toHaveValue('http://localhost:8081');
  await page.getByRole('button', { name: 'Deploy', exact: true }).click();
  expect(await shell.calls('cluster_deploy')).toMatchObject([
    { options: { ...OPTIONS, target: { ...OPTIONS.target, http_port: 8081 }, url: 'http://localhost:8081' } },
  ]);
  await expect(page.getByText('312 MB of 640 MB')).toBeVisible();

  await shell.send('cluster_deploy', ASKING(now));
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await shell.send('cluster_deploy', CONFLICTING(now));
  await expect(page.getByText('.spec.maxReplicas is owned by')).toBeVisible();
  await page.getByRole('button', { name: 'Force' }).click();
  expect(await shell.calls('cluster_consent')).toEqual([{ consent: 'apply' }, { consent: 'force' }]);

  await shell.send('cluster_deploy', DONE(now));
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  expect(await shell.calls('open_external')).toEqual([{ url: 'http://localhost' }]);
});

test('a failed step says what to do, and Resume goes on from it', async ({ page, open }) => {
  const now = Date.now();
  const { shell } = await open({
    cluster_contexts: NOTHING_CHOSEN,
    cluster_plan: FAILED(now),
    cluster_resume: IMPORTING(now),
  });
  await expect(page.getByRole('alert')).toContainText('add a node, then resume');
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Deploying' })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await shell.calls('cluster_cancel')).toHaveLength(1);
});

test('a deploy that runs when the panel is opened is followed again', async ({ page, open }) => {
  const now = Date.now();
  const { shell } = await open({ cluster_contexts: NOTHING_CHOSEN, cluster_plan: IMPORTING(now) });
  await shell.send('cluster_resume', DONE(now));
  await expect(page.getByRole('status').filter({ hasText: 'Deployed' })).toBeVisible();
});

test('from the moment that a deploy has its cluster, the chip and the live data are about that one', async ({
  page,
  open,
}) => {
  const now = Date.now();
  const { shell } = await open({
    cluster_contexts: REMOTE_CHOSEN,
    cluster_plan: MAKING(now),
    cluster_resume: MAKING(now),
  });
  await expect(page.getByRole('button', { name: /^Cluster: gke_/ })).toBeVisible();
  await expect.poll(() => shell.calls('cluster_watch')).toHaveLength(1);

  await shell.answer('cluster_contexts', CONTEXTS);
  await shell.send('cluster_resume', IMPORTING(now));
  await expect(page.getByRole('button', { name: /^Cluster: k3d-flotilla/ })).toBeVisible();
  await expect.poll(() => shell.calls('cluster_watch')).toHaveLength(2);
});

test('a deploy that fails or is cancelled in its new cluster leaves the chip on that one', async ({
  page,
  open,
}) => {
  const now = Date.now();
  for (const status of ['failed', 'cancelled'] as const) {
    const { shell } = await open({
      cluster_contexts: REMOTE_CHOSEN,
      cluster_plan: IMPORTING(now),
      cluster_resume: IMPORTING(now),
    });
    await expect(page.getByRole('button', { name: /^Cluster: gke_/ })).toBeVisible();
    await shell.answer('cluster_contexts', CONTEXTS);
    await shell.send('cluster_resume', { ...IMPORTING(now), status });
    await expect(page.getByRole('button', { name: /^Cluster: k3d-flotilla/ })).toBeVisible();
  }
});

test('a deploy is taken back, and its k3d cluster stopped and started, by the last click only', async ({
  page,
  open,
}) => {
  const { shell } = await openLive(
    open,
    {
      cluster_plan: DONE(Date.now()),
      cluster_undo_preview: CHANGES,
      cluster_teardown_preview: TEARDOWN,
    },
    '/cluster?view=deploy',
  );
  await page.getByRole('button', { name: 'Undo…' }).click();
  const undo = page.getByRole('dialog', { name: 'Undo the last deploy?' });
  await expect(undo.getByText('HorizontalPodAutoscaler')).toBeVisible();
  await expect(undo.getByText('Images that were built on this computer do not go back')).toBeVisible();
  expect(await shell.calls('cluster_undo')).toEqual([]);
  await undo.getByRole('button', { name: 'Undo', exact: true }).click();
  await expect(undo).toHaveCount(0);
  expect(await shell.calls('cluster_undo')).toHaveLength(1);

  await page.getByRole('button', { name: 'Take down…' }).click();
  const teardown = page.getByRole('dialog', { name: 'Take down the service?' });
  await expect(teardown.getByText('data-postgres-0')).toBeVisible();
  expect(await shell.calls('cluster_teardown')).toEqual([]);
  await teardown.getByRole('button', { name: 'Take down', exact: true }).click();
  await expect(teardown).toHaveCount(0);
  expect(await shell.calls('cluster_teardown')).toHaveLength(1);

  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect.poll(() => shell.calls('cluster_k3d_stop')).toEqual([{ name: 'flotilla' }]);
  expect(await shell.calls('cluster_k3d_start')).toEqual([]);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await expect.poll(() => shell.calls('cluster_k3d_start')).toEqual([{ name: 'flotilla' }]);
});

test('what the panel follows ends when the panel is left', async ({ page, open }) => {
  const { shell } = await openLive(open, {}, '/cluster?view=logs');
  await expect.poll(() => shell.calls('cluster_logs')).toHaveLength(1);
  await page.getByRole('link', { name: 'Chats' }).click();
  await expect
    .poll(async () => (await shell.calls('cluster_unsubscribe')).map(({ id }) => id))
    .toEqual(expect.arrayContaining(['watch-1', 'logs-1']));
});

test('pods come, change and go as the cluster tells it', async ({ page, open }) => {
  const now = Date.now();
  const { shell } = await openLive(open, {}, '/cluster?view=pods');
  const row = page.getByRole('row', { name: /zz4lc/ });
  await expect(row).toContainText('not ready');

  const quiet = { reset: false, pods: [], events: [], samples: [], deployments: null, autoscalers: null };
  const changed = pods(now).filter(({ name }) => name.endsWith('zz4lc'));
  await shell.send(
    'cluster_watch',
    live(now, { ...quiet, pods: changed.map((pod) => ({ ...pod, ready: true, why: null })) }),
  );
  await expect(row.getByText('ready', { exact: true })).toBeVisible();

  await shell.send('cluster_watch', live(now, { ...quiet, gone_pods: ['backend-7d9f8b6c54-zz4lc'] }));
  await expect(row).toHaveCount(0);
});

test('the pods are walked, opened and acted on with the keyboard alone', async ({ page, open }) => {
  await openLive(open, {}, '/cluster?view=pods');
  await page.getByRole('row', { name: /k8mfw/ }).focus();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('row', { name: /q7ttz/ })).toBeFocused();
  await page.keyboard.press('End');
  await expect(page.getByRole('row', { name: /postgres-0/ })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'postgres-0' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('row', { name: /postgres-0/ })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Logs' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByText('No lines yet')).toBeVisible();
});

test('two thousand pods draw only the rows in sight', async ({ page, open }) => {
  const [first] = pods(Date.now());
  const many = Array.from({ length: 2_000 }, (_, index) => ({
    ...first,
    uid: `uid-${index}`,
    name: `backend-7d9f8b6c54-${String(index).padStart(5, '0')}`,
  }));
  await openLive(open, {}, '/cluster?view=pods', { pods: many as ReturnType<typeof pods> });
  await expect(page.getByText('2,000 pods')).toBeVisible();
  expect(await page.getByRole('row').count()).toBeLessThan(60);
  await page.getByRole('row', { name: /00000/ }).focus();
  await page.keyboard.press('End');
  await expect(page.getByRole('row', { name: /01999/ })).toBeFocused();
});

test('the charts have a cursor for the keyboard and a table for everyone', async ({ page, open }) => {
  await openLive(open);
  const charts = page.getByRole('group', { name: 'Charts' });
  await charts.focus();
  await page.keyboard.press('Home');
  await expect(charts).toContainText(/at \d\d:\d\d:\d\d/);
  await page.keyboard.press('End');
  await expect(charts.getByText('desired')).toBeVisible();
  // For screen readers the table is there without being switched to.
  await expect(page.getByRole('rowheader').first()).toBeAttached();
  await page.getByRole('radio', { name: 'Table' }).click();
  await expect(page.getByRole('columnheader', { name: 'Tokens/s' })).toBeVisible();
});

test('paused logs keep still while lines go on coming', async ({ page, open }) => {
  const { shell } = await openLive(open, {}, '/cluster?view=logs');
  const line = (text: string) => [
    { pod: 'backend-7d9f8b6c54-x2x9p', container: 'backend', at: Date.now(), text },
  ];
  await shell.send('cluster_logs', line('the first line'));
  await expect(page.getByText('the first line')).toBeVisible();
  await page.getByRole('button', { name: 'Pause' }).click();
  await shell.send('cluster_logs', line('the second line'));
  await expect(page.getByText('Paused, 1 new line')).toBeVisible();
  await expect(page.getByText('the second line')).toHaveCount(0);
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByText('the second line')).toBeVisible();

  await page.getByRole('searchbox', { name: 'Filter lines' }).fill('01JD7');
  await expect
    .poll(async () => (await shell.calls('cluster_logs')).at(-1))
    .toMatchObject({ query: { filter: '01JD7', follow: true, previous: false } });
});

test('a forward says where it will lead before it is opened', async ({ page, open }) => {
  const { shell } = await openLive(open, { cluster_preview: FORWARD_PREVIEW }, '/cluster?view=forwards');
  await page.getByRole('button', { name: 'Forward', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Port 8000 of this computer leads to port 8000 of backend');
  await expect(dialog).toContainText('port-forward service/backend 8000');
  expect(await shell.calls('cluster_act')).toEqual([]);

  await dialog.getByRole('button', { name: 'Forward' }).click();
  await expect(dialog).toBeHidden();
  expect(await shell.calls('cluster_act')).toEqual([
    { action: { kind: 'forward', service: 'backend', port: 8000 } },
  ]);
});

test('a forward that the user has no right to is not offered', async ({ page, open }) => {
  const preview = { ...FORWARD_PREVIEW, allowed: false };
  await openLive(open, { cluster_preview: preview }, '/cluster?view=forwards');
  await page.getByRole('button', { name: 'Forward', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('alert')).toHaveText('You have no right to do this in this cluster.');
  await expect(dialog.getByRole('button', { name: 'Forward' })).toBeDisabled();
});

test('a command that fails says why in its own words', async ({ page, open }) => {
  const { shell } = await openLive(open, { cluster_preview: FORWARD_PREVIEW }, '/cluster?view=forwards');
  await shell.fail('cluster_act', {
    kind: 'cluster_failed',
    message: 'No port of this computer can be opened. Close other programs, then try again.',
    retryable: true,
  });
  await page.getByRole('button', { name: 'Forward', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Forward' }).click();
  await expect(dialog.getByRole('alert')).toHaveText(
    'No port of this computer can be opened. Close other programs, then try again.',
  );
});
