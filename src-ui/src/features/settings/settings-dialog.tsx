import type { ReactNode } from 'react';

import { Dialog } from '@/components/ui/dialog';
import { platform } from '@/platform';

import { ServerChoice } from './server-choice';
import { ThemeChoice } from './theme-choice';

interface SettingsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function SettingsDialog({ open, onOpenChange }: SettingsDialogProps) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Settings">
      <div className="space-y-6 overflow-y-auto px-5 pb-6">
        <Section id="theme-label" title="Appearance">
          <ThemeChoice />
        </Section>
        {platform.capabilities.serverSwitch && (
          <Section id="server-label" title="Server">
            <ServerChoice />
          </Section>
        )}
        <Section id="keys-label" title="Keyboard">
          <dl className="grid grid-cols-[1fr_auto] gap-y-2 text-sm">
            {SHORTCUTS.map(([keys, action]) => (
              <div key={keys} className="col-span-2 grid grid-cols-subgrid items-center">
                <dt className="text-muted">{action}</dt>
                <dd>
                  <kbd className="rounded-md border border-line-strong bg-raised px-1.5 py-0.5 font-sans text-xs">
                    {keys}
                  </kbd>
                </dd>
              </div>
            ))}
          </dl>
        </Section>
      </div>
    </Dialog>
  );
}

const MODIFIER = navigator.userAgent.includes('Mac') ? '⌘' : 'Ctrl';

const SHORTCUTS = [
  [`${MODIFIER} + K`, 'Search chats'],
  [`${MODIFIER} + Shift + O`, 'New chat'],
  ['Enter', 'Send'],
  ['Shift + Enter', 'New line'],
  ['Esc', 'Stop the answer'],
  ['Alt + ↑', 'Go to the latest answer'],
  ['Alt + ↓', 'Go to the message field'],
] as const;

function Section({ id, title, children }: { id: string; title: string; children: ReactNode }) {
  return (
    <section aria-labelledby={id}>
      <h3 id={id} className="mb-2 text-sm font-semibold">
        {title}
      </h3>
      {children}
    </section>
  );
}
