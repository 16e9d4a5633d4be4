import { afterEach, describe, expect, it, vi } from 'vitest';

import { keepAccessToken, useAccessToken } from './access-token';
import { request } from './client';
import { ApiError, errorMessage } from './error';
import { signIn } from './sign-in';

function answerWith(response: Response | Error) {
  const fetch = vi.fn(() =>
    response instanceof Error ? Promise.reject(response) : Promise.resolve(response),
  );
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe('a request', () => {
  it('returns the JSON of the answer', async () => {
    answerWith(Response.json({ status: 'ok' }));
    await expect(request('GET', '/health')).resolves.toEqual({ status: 'ok' });
  });

  it('returns nothing for an answer without a body', async () => {
    answerWith(new Response(null, { status: 204 }));
    await expect(request('DELETE', '/api/conversations/1')).resolves.toBeUndefined();
  });

  it('sends its body as JSON', async () => {
    const fetch = answerWith(Response.json({}));
    await request('POST', '/api/conversations', { body: { title: 'Boats' } });
    expect(fetch).toHaveBeenCalledWith(
      '/api/conversations',
      expect.objectContaining({ method: 'POST', body: '{"title":"Boats"}' }),
    );
  });

  it("carries the server's own words, the field and the wait", async () => {
    answerWith(
      Response.json(
        { error: { code: 'engine_unavailable', message: 'Start it.', param: 'model', request_id: 'r1' } },
        { status: 503, headers: { 'retry-after': '5' } },
      ),
    );
    expect(await failure(request('GET', '/api/models'))).toMatchObject({
      code: 'engine_unavailable',
      message: 'Start it.',
      status: 503,
      param: 'model',
      retryAfter: 5,
      requestId: 'r1',
    });
  });

  it('says so when no server answers', async () => {
    answerWith(new TypeError('Failed to fetch'));
    const error = await failure(request('GET', '/api/models'));
    expect(error).toMatchObject({ code: 'unreachable', status: 0 });
    expect(errorMessage(error)).toContain('cannot be reached');
  });

  it('does not trust an error page of something in between', async () => {
    answerWith(new Response('<h1>Bad gateway</h1>', { status: 502 }));
    expect(await failure(request('GET', '/api/models'))).toMatchObject({ code: 'bad_answer', status: 502 });
  });

  it('does not trust a page where JSON should be', async () => {
    answerWith(new Response('<!doctype html>'));
    expect(await failure(request('GET', '/api/models'))).toMatchObject({ code: 'bad_answer' });
  });

  it('fails with the reason of the abort, not as unreachable', async () => {
    answerWith(new TypeError('aborted'));
    const error = await failure(
      request('GET', '/api/models', { signal: AbortSignal.abort('left the page') }),
    );
    expect(error).toBe('left the page');
  });

  it('never shows what an unknown error says', () => {
    expect(errorMessage(new Error('secret internals'))).not.toContain('secret');
    expect(errorMessage(new ApiError('Shown.', { code: 'conflict' }))).toBe('Shown.');
  });
});

describe('a server that asks for a token', () => {
  afterEach(() => keepAccessToken(null));
  const refuse = () => {
    const error = { code: 'unauthorized', message: 'This server asks for a bearer token.' };
    return answerWith(Response.json({ error }, { status: 401 }));
  };
  const sent = (fetch: ReturnType<typeof answerWith>) => {
    const [, init] = fetch.mock.lastCall as unknown as [string, { headers: Headers }];
    return init.headers.get('authorization');
  };

  it('is noticed when it refuses a request', async () => {
    const fetch = refuse();
    await failure(request('GET', '/api/models'));
    expect(sent(fetch)).toBeNull();
    expect(useAccessToken.getState().asked).toBe(true);
  });

  it('gets the token with every request once it has taken it', async () => {
    answerWith(Response.json({}));
    await signIn('sesame');
    const fetch = answerWith(Response.json({}));
    await request('GET', '/api/models');
    expect(sent(fetch)).toBe('Bearer sesame');
    expect(sessionStorage.getItem('flotilla.access-token')).toBe('sesame');
    expect(localStorage).toHaveLength(0);
  });

  it('leaves the token before in place when it refuses another', async () => {
    keepAccessToken('sesame');
    refuse();
    expect(await failure(signIn('barley'))).toMatchObject({ status: 401 });
    expect(useAccessToken.getState()).toEqual({ token: 'sesame', asked: false });
  });
});
