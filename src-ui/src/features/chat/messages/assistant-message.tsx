import { RotateCcw } from 'lucide-react';

import type { Message } from '@/api/types';
import { Alert } from '@/components/alert';
import { CopyButton } from '@/components/copy-button';
import { Logo } from '@/components/logo';
import { Button } from '@/components/ui/button';
import { IconButton } from '@/components/ui/icon-button';
import { formatCount } from '@/lib/format';

import { LazyMarkdown } from '../markdown/lazy-markdown';
import type { RunState } from '../stream/run-state';
import { useRun } from '../stream/use-run';
import { useThreadActions } from '../thread-actions';
import type { BranchNode } from '../tree/branch';
import { AnswerDetails } from './answer-details';
import { BranchPicker } from './branch-picker';
import { MessageActions } from './message-actions';
import { progress } from './progress';

export function AssistantMessage({ node, latest }: { node: BranchNode; latest: boolean }) {
  const run = useRun(node.message);
  const message = run?.phase === 'ended' ? run.message : node.message;
  const streaming = message.status === 'streaming';
  const text = streaming ? knownText(message, run) : message.content;
  const context = message.details?.context ?? (run?.phase === 'running' ? run.start?.context : null);

  return (
    <div>
      {context && context.messages_left_out > 0 && <LeftOut count={context.messages_left_out} />}
      {text !== '' && <LazyMarkdown text={text} streaming={streaming} />}
      {streaming && <Sailing run={run} started={text !== ''} />}
      <Outcome message={message} />
      {!streaming && (
        <div className="mt-1.5 -ml-1.5 flex flex-wrap items-center gap-x-1">
          <BranchPicker node={node} />
          <MessageActions always={latest}>
            {text !== '' && <CopyButton text={text} label="Copy answer" />}
            <AnswerAgain message={message} />
            <AnswerDetails message={message} />
            <Speed message={message} />
          </MessageActions>
        </div>
      )}
    </div>
  );
}

/** After a reload the stored text may be ahead of the replayed events; one is always a prefix of the other. */
function knownText(message: Message, run: RunState | null): string {
  return run && run.text.length > message.content.length ? run.text : message.content;
}

function Sailing({ run, started }: { run: RunState | null; started: boolean }) {
  return (
    <div className="mt-2 flex h-7 items-center gap-2.5 text-sm text-muted" data-testid="generating">
      <Logo sailing className="size-5 text-accent" />
      {progress(run, started)}
    </div>
  );
}

function Outcome({ message }: { message: Message }) {
  const { answerAgain } = useThreadActions();
  const { parent_id: question, status } = message;
  if (status === 'stopped') return <p className="mt-2 text-sm text-muted">You stopped this answer.</p>;
  if (status !== 'error' && status !== 'interrupted') return null;
  return (
    <Alert
      className="mt-3"
      tone={status === 'error' ? 'danger' : 'warning'}
      actions={
        question && (
          <Button size="sm" onClick={() => answerAgain(question)}>
            <RotateCcw />
            Retry
          </Button>
        )
      }
    >
      {message.error?.message ?? 'This answer was interrupted before it was complete.'}
    </Alert>
  );
}

function AnswerAgain({ message }: { message: Message }) {
  const { answerAgain } = useThreadActions();
  const question = message.parent_id;
  if (question === null) return null;
  return (
    <IconButton label="Answer again" size="sm" onClick={() => answerAgain(question)}>
      <RotateCcw />
    </IconButton>
  );
}

function Speed({ message }: { message: Message }) {
  const speed = message.details?.tokens_per_second;
  const facts = [message.model, speed ? `${speed.toFixed(1)} tokens/s` : null].filter(
    (fact) => fact !== null,
  );
  return <span className="truncate pl-1 text-xs text-muted tabular">{facts.join(' · ')}</span>;
}

function LeftOut({ count }: { count: number }) {
  return (
    <p className="mb-3 flex items-center gap-3 text-xs text-muted before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
      {formatCount(count)} older {count === 1 ? 'message was' : 'messages were'} not sent to the model
    </p>
  );
}
