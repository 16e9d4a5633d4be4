import { ArrowUp, Square } from 'lucide-react';
import {
  useDeferredValue,
  useEffect,
  useLayoutEffect,
  useRef,
  type KeyboardEvent,
  type RefObject,
} from 'react';

import { cn } from '@/lib/cn';

import type { RunActivity } from '../stream/use-run';
import { ContextBar } from './context-bar';
import { estimateTokens, fitOf, type ContextBudget, type Fit } from './context-budget';
import { useDraft } from './use-draft';

interface ComposerProps {
  /** Whose draft this is; give it as `key` too. */
  scope: string;
  activity: RunActivity;
  /** A message is on its way or waits to be sent again. */
  blocked: boolean;
  budget: ContextBudget | null;
  onSend: (content: string) => void;
  onStop: () => void;
}

/** Holds the text being written, so that typing draws nothing but this. */
export function Composer({ scope, activity, blocked, budget, onSend, onStop }: ComposerProps) {
  const [text, setText] = useDraft(scope);
  const field = useRef<HTMLTextAreaElement>(null);
  const draftTokens = estimateTokens(useDeferredValue(text).trim());
  const generating = activity !== 'idle';
  const sendable = text.trim() !== '' && !generating && !blocked;
  const fit = budget === null ? 'fits' : fitOf(budget, draftTokens);
  useAutosize(field, text);
  useFieldShortcut(field);

  const send = () => {
    if (!sendable) return;
    onSend(text.trim());
    setText('');
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    }
    if (event.key === 'Escape' && generating) onStop();
  };

  return (
    <div className="px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6 sm:pb-4">
      <div className="mx-auto max-w-[46rem]">
        {fit !== 'fits' && <FitWarning fit={fit} />}
        <div className="rounded-2xl border border-line-strong bg-raised shadow-rest transition-[border-color,box-shadow] duration-150 focus-within:border-accent focus-within:shadow-pop">
          <textarea
            ref={field}
            data-composer=""
            aria-label="Message"
            placeholder="Write a message"
            rows={1}
            autoFocus={!matchMedia('(pointer: coarse)').matches}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            onKeyDown={onKeyDown}
            className="field-sizing-content max-h-[40dvh] min-h-12 w-full resize-none bg-transparent px-4 pt-3 outline-none placeholder:text-muted"
          />
          <div className="flex h-11 items-center justify-between gap-2 pr-2 pb-2 pl-2">
            {budget === null ? <span /> : <ContextBar budget={budget} draft={draftTokens} />}
            <SendOrStop
              generating={generating}
              stopping={activity === 'stopping'}
              sendable={sendable}
              onSend={send}
              onStop={onStop}
            />
          </div>
        </div>
      </div>
    </div>
  );
}

interface SendOrStopProps {
  generating: boolean;
  stopping: boolean;
  sendable: boolean;
  onSend: () => void;
  onStop: () => void;
}

/** One button for both, so that the focus stays where it is when sending turns into generating. */
function SendOrStop({ generating, stopping, sendable, onSend, onStop }: SendOrStopProps) {
  const label = generating ? (stopping ? 'Stopping' : 'Stop') : 'Send';
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={generating ? stopping : !sendable}
      onClick={generating ? onStop : onSend}
      className={cn(
        'grid size-9 shrink-0 place-items-center rounded-xl transition-colors duration-150',
        generating
          ? 'bg-ink text-canvas hover:opacity-85'
          : 'bg-accent text-accent-ink hover:not-disabled:bg-accent-hover',
        'disabled:bg-hover disabled:text-muted',
      )}
    >
      {generating ? <Square className="size-3.5 fill-current" /> : <ArrowUp className="size-[1.15rem]" />}
    </button>
  );
}

function FitWarning({ fit }: { fit: Exclude<Fit, 'fits'> }) {
  return (
    <p
      role="status"
      className="mb-2 animate-arrive rounded-lg bg-warning-soft px-3 py-2 text-sm text-warning"
    >
      {fit === 'too_long'
        ? 'This message is probably longer than the model can read. Shorten it, or choose a model with more context.'
        : 'With this message the conversation no longer fits: the model will not see its oldest messages.'}
    </p>
  );
}

/** For engines without `field-sizing`: WebKitGTK before 2.52, Firefox. */
function useAutosize(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    if (field.current && !CSS.supports('field-sizing', 'content')) fitHeight(field.current);
  }, [field, text]);
}

function fitHeight(element: HTMLElement): void {
  element.style.height = 'auto';
  element.style.height = `${element.scrollHeight}px`;
}

/** Alt+↓ comes back here from anywhere. */
function useFieldShortcut(field: RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKeyDown = (event: globalThis.KeyboardEvent) => {
      if (event.altKey && event.key === 'ArrowDown') {
        event.preventDefault();
        field.current?.focus();
      }
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [field]);
}
