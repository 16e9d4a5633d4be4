import { Link } from '@tanstack/react-router';
import { Ellipsis, Pencil, Trash2 } from 'lucide-react';
import { memo, useState } from 'react';

import type { ConversationSummary } from '@/api/types';
import { IconButton } from '@/components/ui/icon-button';
import { Menu, MenuItem } from '@/components/ui/menu';
import { cn } from '@/lib/cn';
import { formatAge, formatTime, formatTitle } from '@/lib/format';

import { DeleteDialog } from './delete-dialog';
import { Snippet } from './snippet';
import { TitleField } from './title-field';

interface ConversationRowProps {
  conversation: ConversationSummary;
  onOpen: (() => void) | undefined;
}

export const ConversationRow = memo(function ConversationRow({ conversation, onOpen }: ConversationRowProps) {
  const title = formatTitle(conversation.title);
  const [mode, setMode] = useState<'view' | 'rename' | 'delete'>('view');
  const view = () => setMode('view');

  if (mode === 'rename') {
    return (
      <li>
        <TitleField conversation={conversation} onDone={view} />
      </li>
    );
  }
  return (
    <li className="group relative">
      <Link
        to="/c/$conversationId"
        params={{ conversationId: conversation.id }}
        search={conversation.match ? { message: conversation.match.message_id } : {}}
        onClick={onOpen}
        onDoubleClick={() => setMode('rename')}
        title={`${title}\n${formatTime(conversation.updated_at)}`}
        className="flex min-h-9 flex-col justify-center rounded-lg py-1.5 pr-9 pl-2.5 text-sm transition-colors duration-100 hover:bg-hover focus-visible:-outline-offset-2"
        activeProps={{ className: 'bg-hover font-medium', 'aria-current': 'page' }}
      >
        <span className="truncate">{title}</span>
        {conversation.match && (
          <span className="line-clamp-2 text-xs font-normal [overflow-wrap:anywhere] text-muted">
            <Snippet text={conversation.match.snippet} />
          </span>
        )}
      </Link>
      <span
        aria-hidden="true"
        className={cn(
          'pointer-events-none absolute top-2.5 right-2.5 text-2xs text-muted tabular',
          'group-focus-within:opacity-0 group-hover:opacity-0 group-has-data-popup-open:opacity-0',
        )}
      >
        {formatAge(conversation.updated_at)}
      </span>
      <div className="absolute top-1 right-1 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 has-data-popup-open:opacity-100">
        <Menu
          trigger={
            <IconButton label={`Actions for ${title}`} size="sm">
              <Ellipsis />
            </IconButton>
          }
        >
          <MenuItem onClick={() => setMode('rename')}>
            <Pencil />
            Rename
          </MenuItem>
          <MenuItem tone="danger" onClick={() => setMode('delete')}>
            <Trash2 />
            Delete
          </MenuItem>
        </Menu>
      </div>
      <DeleteDialog conversation={conversation} open={mode === 'delete'} onClose={view} />
    </li>
  );
});
