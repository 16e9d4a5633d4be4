import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';

import { IconButton } from './ui/icon-button';

const CONFIRM_MS = 1_600;

/** Copies a text and says so. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async () => {
    await copyText(text);
    setCopied(true);
  };

  return (
    <IconButton label={copied ? 'Copied' : label} size="sm" onClick={() => void copy()}>
      {copied ? <Check className="text-accent" /> : <Copy />}
    </IconButton>
  );
}

/** The clipboard API is missing on plain http, which is how a LAN serves this page. */
async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way there
  document.execCommand('copy');
  area.remove();
}
