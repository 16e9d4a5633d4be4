import { CopyButton } from '@/components/copy-button';

/** What the app does, as lines for a terminal. */
export function CommandLines({ text, label = 'Copy the command' }: { text: string; label?: string }) {
  return (
    <div className="relative rounded-lg border border-line bg-sunken">
      <pre
        tabIndex={0}
        aria-label="Equivalent command"
        className="max-h-40 overflow-y-auto py-2 pr-10 pl-3 font-mono text-xs leading-5 [overflow-wrap:anywhere] whitespace-pre-wrap"
      >
        {text}
      </pre>
      <div className="absolute top-0.5 right-0.5 rounded-lg bg-sunken">
        <CopyButton text={text} label={label} />
      </div>
    </div>
  );
}
