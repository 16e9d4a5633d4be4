import { afterEach, expect, it, vi } from 'vitest';

import { keepAccessToken, useAccessToken } from '@/api/access-token';

import { platform } from './tauri';

afterEach(() => keepAccessToken(null));

/** A shell that answers every command with `answer`. */
const shell = (answer: Promise<unknown>) => vi.stubGlobal('__TAURI_INTERNALS__', { invoke: () => answer });

it("forgets a server's token when another server is chosen", async () => {
  keepAccessToken('theirs');
  shell(Promise.resolve(null));
  await platform.serverChoice.set('https://other.example.org');
  expect(useAccessToken.getState().token).toBeNull();
});

it('keeps it when the other server does not answer', async () => {
  keepAccessToken('theirs');
  const refused = Promise.reject(Object.assign(new Error('Nobody there.'), { kind: 'server_unreachable' }));
  shell(refused);
  await expect(platform.serverChoice.set('https://other.example.org')).rejects.toThrow('Nobody there.');
  expect(useAccessToken.getState().token).toBe('theirs');
});

it("never puts it where the shell's own token stands", () => {
  expect(platform.accessTokenHeader).not.toBe('authorization');
});
