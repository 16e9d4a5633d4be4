import { useRef, type KeyboardEvent } from 'react';

import type { ConversationSummary } from '@/api/types';
import { Input } from '@/components/ui/input';

import { useRename } from './use-conversation-actions';

const MAX_TITLE_LENGTH = 200;

interface TitleFieldProps {
  conversation: ConversationSummary;
  onDone: () => void;
}

/** Renames in place: Enter and leaving the field save, Escape does not. */
export function TitleField({ conversation, onDone }: TitleFieldProps) {
  const rename = useRename(conversation.id);
  const done = useRef(false);

  const finish = (title: string | null) => {
    if (done.current) return;
    done.current = true;
    const next = title?.trim();
    if (next && next !== conversation.title) rename.mutate(next);
    onDone();
  };

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter') finish(event.currentTarget.value);
    if (event.key === 'Escape') {
      event.stopPropagation();
      finish(null);
    }
  };

  return (
    <Input
      aria-label="Title"
      defaultValue={conversation.title}
      maxLength={MAX_TITLE_LENGTH}
      ref={selectWhenShown}
      onKeyDown={onKeyDown}
      onBlur={(event) => finish(event.currentTarget.value)}
      className="px-2.5"
    />
  );
}

/** A frame later, because the menu that led here gives the focus back to its button first. */
function selectWhenShown(input: HTMLInputElement | null) {
  const frame = requestAnimationFrame(() => {
    input?.focus();
    input?.select();
  });
  return () => cancelAnimationFrame(frame);
}
