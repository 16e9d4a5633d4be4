import { isValidElement, type ComponentProps } from 'react';
import { useIsCodeFenceIncomplete, type ExtraProps } from 'streamdown';

import { GuardedLink } from '@/components/open-link';
import { safeUrl } from '@/lib/safe-url';

import { CodeBlock } from './code-block';

type Drawn<Tag extends 'a' | 'img' | 'pre' | 'table'> = ComponentProps<Tag> & ExtraProps;

/** A link the reader is asked about; plain text when it leads anywhere but the web or a mailbox. */
export function Link({ href, children }: Drawn<'a'>) {
  const url = safeUrl(href);
  return url ? <GuardedLink url={url}>{children}</GuardedLink> : <span>{children}</span>;
}

/** Never loads: fetching an image would tell its server what is being read. */
export function Image({ src, alt }: Drawn<'img'>) {
  const url = safeUrl(typeof src === 'string' ? src : undefined);
  const label = `Image: ${[alt, url?.host, 'not shown'].find(Boolean)}`;
  return url ? <GuardedLink url={url}>{label}</GuardedLink> : <span className="text-muted">{label}</span>;
}

export function Fence({ children }: Drawn<'pre'>) {
  const incomplete = useIsCodeFenceIncomplete();
  const { className = '', children: code = '' } = isValidElement<ComponentProps<'code'>>(children)
    ? children.props
    : {};
  const language = /language-(\S+)/.exec(className)?.[1]?.toLowerCase() ?? '';
  return <CodeBlock code={textOf(code).replace(/\n$/, '')} language={language} incomplete={incomplete} />;
}

export function Table({ children }: Drawn<'table'>) {
  return (
    // Scrollable regions must be reachable by keyboard.
    <div role="region" aria-label="Table" tabIndex={0} className="overflow-x-auto">
      <table>{children}</table>
    </div>
  );
}

function textOf(node: unknown): string {
  return typeof node === 'string' ? node : Array.isArray(node) ? node.map(textOf).join('') : '';
}
