import { useState, type KeyboardEvent } from 'react';

import { Button } from '@/components/ui/button';

interface EditMessageProps {
  content: string;
  onSend: (content: string) => void;
  onCancel: () => void;
}

export function EditMessage({ content, onSend, onCancel }: EditMessageProps) {
  const [text, setText] = useState(content);
  const empty = text.trim() === '';

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Escape') onCancel();
    if (event.key === 'Enter' && !event.shiftKey && !empty) {
      event.preventDefault();
      onSend(text);
    }
  };

  return (
    <div className="w-full rounded-2xl border border-accent bg-raised p-3 shadow-rest">
      <textarea
        aria-label="Edit message"
        autoFocus
        onFocus={(event) => event.currentTarget.setSelectionRange(text.length, text.length)}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        rows={3}
        className="field-sizing-content max-h-80 w-full resize-none bg-transparent px-1 outline-none"
      />
      <div className="flex items-center justify-end gap-2">
        <Button size="sm" variant="ghost" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="sm" variant="primary" disabled={empty} onClick={() => onSend(text)}>
          Send
        </Button>
      </div>
    </div>
  );
}
