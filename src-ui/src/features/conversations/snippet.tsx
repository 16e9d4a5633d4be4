const HIT_START = '\u0002';
const HIT_END = '\u0003';

/** A search snippet with its hits marked. */
export function Snippet({ text }: { text: string }) {
  return text.split(HIT_START).map((part, index) => {
    const [hit, rest] = index === 0 ? ['', part] : splitOnce(part, HIT_END);
    return (
      <span key={index}>
        {hit && <mark className="rounded-sm bg-mark px-0.5 text-ink">{hit}</mark>}
        {rest}
      </span>
    );
  });
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}
