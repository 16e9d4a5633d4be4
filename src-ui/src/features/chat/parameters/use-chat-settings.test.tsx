import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { useSend } from '../compose/use-send';
import { useChatSettings } from './use-chat-settings';

const wrapper = ({ children }: { children: ReactNode }) => (
  <QueryClientProvider client={new QueryClient()}>{children}</QueryClientProvider>
);

interface Request {
  method: string;
  path: string;
  keepalive: boolean;
  body: unknown;
  answer: () => void;
}

/** Keeps the requests; each is answered when the test says so. */
function serve(): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal('fetch', (path: string, { method = '', keepalive = false, body }: RequestInit) => {
    return new Promise<Response>((resolve) => {
      const answer = () => resolve(Response.json({}));
      requests.push({ method, path, keepalive, body: JSON.parse(body as string), answer });
    });
  });
  return requests;
}

const settled = () => act(() => new Promise((resolve) => setTimeout(resolve)));

describe("a chat's settings", () => {
  let requests: Request[];
  beforeEach(() => {
    requests = serve();
  });
  const render = () => renderHook(() => useChatSettings('conversation'), { wrapper });

  it('are saved at once when someone waits for them, and the wait ends with the answer', async () => {
    const { result } = render();
    result.current.change({ parameters: { temperature: 0.3 } });
    const done = vi.fn();
    const saved = result.current.saved().then(done);
    await settled();
    expect(requests).toMatchObject([{ method: 'PATCH', body: { parameters: { temperature: 0.3 } } }]);
    expect(done).not.toHaveBeenCalled();
    requests[0]?.answer();
    await saved;
    expect(requests).toHaveLength(1);
  });

  it('are saved one change after the other', async () => {
    const { result } = render();
    result.current.change({ model: 'first' });
    void result.current.saved();
    result.current.change({ model: 'second' });
    const saved = result.current.saved();
    await settled();
    expect(requests).toHaveLength(1);
    requests[0]?.answer();
    await settled();
    expect(requests).toMatchObject([{ body: { model: 'first' } }, { body: { model: 'second' } }]);
    requests[1]?.answer();
    await saved;
  });

  it('outlive a page that is closed before the typing has paused', async () => {
    const { result } = render();
    result.current.change({ system_prompt: 'Be brief.' });
    window.dispatchEvent(new Event('pagehide'));
    await settled();
    expect(requests).toMatchObject([{ keepalive: true, body: { system_prompt: 'Be brief.' } }]);
  });

  it('are with the server before the message that they are meant for', async () => {
    const { result } = renderHook(
      () => {
        const { change, saved } = useChatSettings('conversation');
        return { change, send: useSend('conversation', saved).send };
      },
      { wrapper },
    );
    result.current.change({ parameters: { temperature: 0.3 } });
    act(() => void result.current.send('Why?', null));
    await settled();
    expect(requests.map(({ method }) => method)).toEqual(['PATCH']);
    requests[0]?.answer();
    await settled();
    expect(requests.map(({ path }) => path)).toEqual([
      '/api/conversations/conversation',
      '/api/conversations/conversation/messages',
    ]);
  });
});
