import { Pencil } from 'lucide-react';
import { useState } from 'react';

import { CopyButton } from '@/components/copy-button';
import { IconButton } from '@/components/ui/icon-button';

import { useThreadActions } from '../thread-actions';
import type { BranchNode } from '../tree/branch';
import { BranchPicker } from './branch-picker';
import { EditMessage } from './edit-message';
import { MessageActions } from './message-actions';

export function UserMessage({ node }: { node: BranchNode }) {
  const { message } = node;
  const { edit } = useThreadActions();
  const [editing, setEditing] = useState(false);

  if (editing) {
    return (
      <EditMessage
        content={message.content}
        onCancel={() => setEditing(false)}
        onSend={(content) => {
          setEditing(false);
          edit(message, content);
        }}
      />
    );
  }
  return (
    <div className="flex flex-col items-end gap-1">
      <UserBubble text={message.content} />
      <div className="flex items-center gap-1">
        <MessageActions always={false}>
          <CopyButton text={message.content} label="Copy message" />
          <IconButton label="Edit message" size="sm" onClick={() => setEditing(true)}>
            <Pencil />
          </IconButton>
        </MessageActions>
        <BranchPicker node={node} />
      </div>
    </div>
  );
}

export function UserBubble({ text }: { text: string }) {
  return (
    <div
      dir="auto"
      className="max-w-[85%] rounded-2xl rounded-br-md bg-accent-soft px-4 py-2.5 [overflow-wrap:anywhere] whitespace-pre-wrap"
    >
      {text}
    </div>
  );
}
