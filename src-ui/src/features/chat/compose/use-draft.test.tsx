import { act, renderHook } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { useDraft } from './use-draft';

const draft = (scope: string) => renderHook(() => useDraft(scope));

describe('a draft', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    return () => void vi.useRealTimers();
  });

  it('is there again after a reload', () => {
    const first = draft('chat');
    act(() => first.result.current[1]('half a thought'));
    act(() => void vi.runAllTimers());
    expect(draft('chat').result.current[0]).toBe('half a thought');
  });

  it('is saved at once when the chat is left', () => {
    const first = draft('chat');
    act(() => first.result.current[1]('left in a hurry'));
    first.unmount();
    expect(draft('chat').result.current[0]).toBe('left in a hurry');
  });

  it('is saved at once when the page is closed', () => {
    const first = draft('chat');
    act(() => first.result.current[1]('tab closed'));
    window.dispatchEvent(new Event('pagehide'));
    expect(draft('chat').result.current[0]).toBe('tab closed');
  });

  it('belongs to one chat', () => {
    const first = draft('one');
    act(() => first.result.current[1]('for one'));
    first.unmount();
    expect(draft('two').result.current[0]).toBe('');
  });

  it('is gone once it was sent', () => {
    const first = draft('chat');
    act(() => first.result.current[1]('sent'));
    act(() => void vi.runAllTimers());
    act(() => first.result.current[1](''));
    expect(draft('chat').result.current[0]).toBe('');
  });
});
