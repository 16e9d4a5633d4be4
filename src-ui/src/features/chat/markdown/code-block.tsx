import { useEffect, useState } from 'react';

import { CopyButton } from '@/components/copy-button';

import type { HighlightedLine } from './highlight';

interface CodeBlockProps {
  code: string;
  language: string;
  /** The closing fence has not come yet, so colouring would be wasted. */
  incomplete: boolean;
}

export function CodeBlock({ code, language, incomplete }: CodeBlockProps) {
  const lines = useHighlight(code, language, incomplete);
  return (
    <figure className="group/code my-4 overflow-hidden rounded-xl border border-line bg-sunken" dir="ltr">
      <figcaption className="flex h-9 items-center justify-between border-b border-line pr-1 pl-3.5 text-xs text-muted">
        <span>{language || 'text'}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      {/* Scrollable regions must be reachable by keyboard. */}
      <pre
        tabIndex={0}
        aria-label={`Code, ${language || 'text'}`}
        role="region"
        className="overflow-x-auto px-3.5 py-3 font-mono text-[0.8125rem] leading-[1.6] focus-visible:-outline-offset-2"
      >
        <code>{lines ? <Highlighted lines={lines} /> : code}</code>
      </pre>
    </figure>
  );
}

function Highlighted({ lines }: { lines: HighlightedLine[] }) {
  return lines.map((line, index) => (
    <span key={index}>
      {line.map((token, at) => (
        <span key={at} className="code-token" style={token.htmlStyle}>
          {token.content}
        </span>
      ))}
      {index < lines.length - 1 && '\n'}
    </span>
  ));
}

function useHighlight(code: string, language: string, incomplete: boolean): HighlightedLine[] | null {
  const key = `${language}\n${code}`;
  const [result, setResult] = useState<{ key: string; lines: HighlightedLine[] | null } | null>(null);

  useEffect(() => {
    if (incomplete || language === '') return;
    let current = true;
    const run = async () => {
      const { highlight, highlighted } = await import('./highlight');
      const lines = highlighted(code, language) ?? (await highlight(code, language));
      if (current) setResult({ key, lines });
    };
    // Without colours the block is still readable, so a grammar that fails to load is no error.
    run().catch(() => undefined);
    return () => {
      current = false;
    };
  }, [key, code, language, incomplete]);

  return result?.key === key ? result.lines : null;
}
