import { memo } from 'react';

/** The key of a line, whatever is before it, and the rest. */
const KEY = /^(\s*(?:- )*)([\w./-]+|"[^"]*"|'[^']*')(:(?:\s.*|$))/;

/** YAML with its keys set apart; enough to find one's way, without a highlighter. */
export const YamlText = memo(function YamlText({ text }: { text: string }) {
  return (
    <pre
      tabIndex={0}
      aria-label="YAML"
      className="max-h-[60vh] overflow-auto rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-xs leading-5"
    >
      <code>
        {text.split('\n').map((line, index) => (
          <YamlLine key={index} line={line} />
        ))}
      </code>
    </pre>
  );
});

function YamlLine({ line }: { line: string }) {
  const [, before, key, rest] = KEY.exec(line) ?? [];
  if (key === undefined) return <span className="block">{line || ' '}</span>;
  return (
    <span className="block">
      {before}
      <span className="text-accent">{key}</span>
      {rest}
    </span>
  );
}
