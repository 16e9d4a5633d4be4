import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { keys } from '@/api/queries';
import type { ConversationWithMessages } from '@/api/types';
import { aMessage } from '@/test/messages';

import { NEW_CHAT, useUnsentStore } from './unsent';
import { useSend, useSendFirst } from './use-send';

const queryClient = new QueryClient();
const wrapper = ({ children }: { children: ReactNode }) => (
  <QueryClientProvider client={queryClient}>{children}</QueryClientProvider>
);

type Handler = (path: string, body: Record<string, unknown>) => Response;

/** Answers requests from the handler and keeps their bodies. */
function serve(handler: Handler) {
  const bodies: Record<string, unknown>[] = [];
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const body = JSON.parse(init.body as string) as Record<string, unknown>;
    bodies.push(body);
    return Promise.resolve(handler(path, body));
  });
  return bodies;
}

const turn = (body: Record<string, unknown>) =>
  Response.json({
    user_message: aMessage({ id: body.id as string, role: 'user', content: body.content as string }),
    assistant_message: aMessage({
      id: 'answer',
      parent_id: body.id as string,
      status: 'streaming',
      run_id: 'run',
    }),
    run_id: 'run',
  });
const diskFull = () =>
  Response.json({ error: { code: 'storage_full', message: 'The disk is full.' } }, { status: 503 });
const conversation = {
  id: 'conversation',
  title: 'Boats',
  model: null,
  system_prompt: null,
  parameters: {},
  head_id: null,
  created_at: '2026-11-23T12:00:00Z',
  updated_at: '2026-11-23T12:00:00Z',
};

beforeEach(() => {
  useUnsentStore.setState({ byScope: {} });
  queryClient.clear();
  queryClient.setQueryData(keys.conversation('conversation'), { conversation, messages: [] });
});

describe('sending a message', () => {
  const unsent = () => useUnsentStore.getState().byScope.conversation;
  const render = () => renderHook(() => useSend('conversation', () => Promise.resolve()), { wrapper }).result;

  it('shows the turn and its answer as the new head', async () => {
    serve((_, body) => turn(body));
    const hook = render();
    await act(() => hook.current.send('Why?', null));
    expect(
      queryClient.getQueryData<ConversationWithMessages>(keys.conversation('conversation')),
    ).toMatchObject({
      conversation: { head_id: 'answer' },
      messages: [{ role: 'user', content: 'Why?' }, { id: 'answer' }],
    });
    expect(unsent()).toBeUndefined();
  });

  it('keeps the text and the cause when it fails', async () => {
    serve(diskFull);
    const hook = render();
    await act(() => hook.current.send('Why?', null));
    expect(unsent()).toMatchObject({ state: 'failed', content: 'Why?', cause: 'The disk is full.' });
    expect(localStorage.getItem('flotilla.unsent')).toContain('Why?');
  });

  it('tries again under the same id, so that the server cannot store it twice', async () => {
    const bodies = serve(diskFull);
    const hook = render();
    await act(() => hook.current.send('Why?', null));
    const failed = unsent();
    if (!failed) throw new Error('The message should wait to be sent again.');
    await act(() => hook.current.retry(failed));
    expect(bodies.map(({ id }) => id)).toEqual([failed.id, failed.id]);
  });
});

describe('sending the first message', () => {
  const render = (onSent = vi.fn()) => {
    const { result } = renderHook(
      () => useSendFirst({ model: 'm', system_prompt: null, parameters: {} }, onSent),
      { wrapper },
    );
    return { hook: result, onSent };
  };
  const created = () => Response.json(conversation, { status: 201 });

  it('makes the conversation with its settings, then posts into it', async () => {
    const bodies = serve((path, body) => (path.endsWith('/messages') ? turn(body) : created()));
    const { hook, onSent } = render();
    await act(() => hook.current.send('Why?'));
    expect(bodies[0]).toMatchObject({ model: 'm' });
    expect(bodies[1]).toMatchObject({ content: 'Why?', parent_id: null });
    expect(onSent).toHaveBeenCalledWith(bodies[0]?.id);
  });

  it('goes on when an earlier try already made the conversation', async () => {
    serve((path, body) =>
      path.endsWith('/messages')
        ? turn(body)
        : Response.json({ error: { code: 'conflict', message: 'There is one.' } }, { status: 409 }),
    );
    const { hook, onSent } = render();
    await act(() => hook.current.send('Why?'));
    expect(onSent).toHaveBeenCalledOnce();
  });

  it('stays with the prompt when the conversation could not be made', async () => {
    serve(diskFull);
    const { hook, onSent } = render();
    await act(() => hook.current.send('Why?'));
    expect(onSent).not.toHaveBeenCalled();
    expect(useUnsentStore.getState().byScope[NEW_CHAT]).toMatchObject({ state: 'failed', content: 'Why?' });
  });
});
