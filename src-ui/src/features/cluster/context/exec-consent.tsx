import { useState } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import type { Context, ExecPlugin } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { CommandLines } from '../parts/command-lines';
import { useContextChange } from '../queries';

interface ExecConsentProps {
  /** Whose program is asked about; `null` asks nothing. */
  context: Context | null;
  onClose: () => void;
  onTrusted: (context: Context) => void;
}

/** Shows exactly what a kubeconfig wants to run on this computer, before anything of it runs. */
export function ExecConsent({ context, onClose, onTrusted }: ExecConsentProps) {
  // Keeps the words in place while the dialog fades out.
  const [shown, setShown] = useState(context);
  if (context !== null && context !== shown) setShown(context);
  return (
    <Dialog
      open={context !== null}
      onOpenChange={onClose}
      title="Run this program to sign in?"
      className="w-[min(34rem,calc(100vw-2rem))]"
    >
      {shown?.exec && (
        <Question context={shown} exec={shown.exec} onClose={onClose} onTrusted={() => onTrusted(shown)} />
      )}
    </Dialog>
  );
}

interface QuestionProps {
  context: Context;
  exec: ExecPlugin;
  onClose: () => void;
  onTrusted: () => void;
}

function Question({ context, exec, onClose, onTrusted }: QuestionProps) {
  const trust = useContextChange(() => cluster().trust(context.id, exec.fingerprint));
  return (
    <>
      <div className="min-h-0 flex-1 space-y-3 overflow-y-auto px-5 pb-5 text-sm">
        <p className="text-muted">
          The context <strong className="font-semibold text-ink">{context.id.name}</strong> gets its password
          from a program on this computer. It would run with your rights, each time the cluster is used.
          Nothing of it has run yet.
        </p>
        <CommandLines text={commandLine(exec)} />
        {exec.environment.length > 0 && (
          <div>
            <h3 className="mb-1 text-xs font-semibold text-muted">With these variables set</h3>
            <pre
              tabIndex={0}
              aria-label="Variables"
              className="max-h-32 overflow-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-5"
            >
              {exec.environment.join('\n')}
            </pre>
          </div>
        )}
        <p className="text-xs [overflow-wrap:anywhere] text-muted">
          From {context.id.file}. Your consent holds for exactly this command, fingerprint{' '}
          <code className="font-mono">{exec.fingerprint.slice(0, 16)}</code>; when the file changes it, you
          are asked again.
        </p>
        {trust.error && <Alert>{errorMessage(trust.error)}</Alert>}
      </div>
      <footer className="flex justify-end gap-2 border-t border-line px-5 py-3">
        <Button onClick={onClose}>Do not run it</Button>
        <Button
          variant="primary"
          disabled={trust.isPending}
          onClick={() => trust.mutate(undefined, { onSuccess: onTrusted })}
        >
          Run it and connect
        </Button>
      </footer>
    </>
  );
}

/**
 * As a shell would need it written: what holds spaces or signs is quoted, so that one argument cannot pass for two, and
 * characters that are not seen, or turn the line around, are spelled out.
 */
function commandLine(exec: ExecPlugin): string {
  return [exec.command, ...exec.arguments].map(quoted).join(' ');
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  const visible = word.replace(/\p{C}/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
  return `'${visible.replaceAll("'", `'\\''`)}'`;
}
