import { Info } from 'lucide-react';

import type { Details, Message } from '@/api/types';
import { IconButton } from '@/components/ui/icon-button';
import { Popover } from '@/components/ui/popover';
import { formatCount, formatDuration, formatTime } from '@/lib/format';

export function AnswerDetails({ message }: { message: Message }) {
  if (!message.details) return null;
  return (
    <Popover
      title="About this answer"
      className="w-72"
      trigger={
        <IconButton label="Details of this answer" size="sm">
          <Info />
        </IconButton>
      }
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 tabular">
        {factsOf(message, message.details).map(([name, value]) => (
          <div key={name} className="col-span-2 grid grid-cols-subgrid">
            <dt className="text-muted">{name}</dt>
            <dd className="text-end [overflow-wrap:anywhere]">{value}</dd>
          </div>
        ))}
      </dl>
    </Popover>
  );
}

/** What the engine did not report is left out. */
function factsOf(message: Message, details: Details): [name: string, value: string][] {
  const { context } = details;
  const facts: [string, string | null][] = [
    ['Model', message.model],
    ['Speed', shown(details.tokens_per_second, (speed) => `${speed.toFixed(1)} tokens/s`)],
    ['First token after', shown(details.time_to_first_token_ms, formatDuration)],
    ['Waited in queue', shown(details.queued_ms, formatDuration)],
    ['Tokens in', shown(details.prompt_tokens, formatCount)],
    ['… of them cached', shown(details.cached_tokens, formatCount)],
    ['Tokens out', shown(details.completion_tokens, formatCount)],
    ['Messages sent', formatCount(context.messages_sent)],
    [
      'Left out',
      context.messages_left_out > 0 ? `${formatCount(context.messages_left_out)} oldest messages` : null,
    ],
    ['Ended because', shown(details.finish_reason, (reason) => FINISH_REASONS[reason] ?? reason)],
    ['Time', formatTime(message.created_at)],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

function shown<T>(value: T | null, format: (value: T) => string): string | null {
  return value === null ? null : format(value);
}

const FINISH_REASONS: Partial<Record<string, string>> = {
  stop: 'the model was done',
  length: 'the token limit was reached',
  cancelled: 'you stopped it',
};
