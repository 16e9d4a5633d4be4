import type { ReactNode } from 'react';
import { create } from 'zustand';

import { platform } from '@/platform';

import { ConfirmDialog } from './ui/confirm-dialog';

const useAskedLink = create<{ url: URL | null; open: boolean }>()(() => ({ url: null, open: false }));

/**
 * A link from text that nobody has checked. It carries no address of its own, so no click, key, drag or context menu
 * can follow it past the question.
 */
export function GuardedLink({ url, children }: { url: URL; children: ReactNode }) {
  return (
    <button
      type="button"
      role="link"
      title={url.href}
      onClick={() => useAskedLink.setState({ url, open: true })}
      className="inline rounded-sm text-start [overflow-wrap:anywhere] text-accent underline decoration-accent/40 underline-offset-[0.2em] transition-colors hover:decoration-accent"
    >
      {children}
    </button>
  );
}

/** The question itself; one for the whole page. */
export function OpenLinkDialog() {
  const { url, open } = useAskedLink();
  const host = url?.protocol === 'mailto:' ? url.pathname : url?.host;
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={(next) => useAskedLink.setState({ open: next })}
      title={url?.protocol === 'mailto:' ? 'Write an e-mail?' : 'Open this link?'}
      confirmLabel="Open"
      onConfirm={() => {
        if (url) void platform.openExternal(url.href);
      }}
    >
      The model wrote this link. It leads to <strong className="font-semibold text-ink">{host}</strong>.
      <span className="mt-2 block max-h-32 overflow-y-auto rounded-lg bg-sunken px-3 py-2 font-mono text-xs">
        {url?.href}
      </span>
    </ConfirmDialog>
  );
}
