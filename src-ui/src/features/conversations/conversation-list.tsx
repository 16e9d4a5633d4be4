import { useInfiniteQuery } from '@tanstack/react-query';
import { Fragment, useMemo } from 'react';

import { errorMessage } from '@/api/error';
import { conversationListQuery } from '@/api/queries';
import type { ConversationSummary } from '@/api/types';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Skeleton } from '@/components/ui/skeleton';
import { formatPeriod } from '@/lib/format';

import { ConversationRow } from './conversation-row';
import { useWhenVisible } from './use-when-visible';

interface ConversationListProps {
  /** Words to look for in titles and messages; empty lists everything. */
  query: string;
  onOpen?: () => void;
}

export function ConversationList({ query, onOpen }: ConversationListProps) {
  const list = useInfiniteQuery(conversationListQuery(query));
  const sections = useMemo(
    () => sectionsOf(list.data?.pages.flatMap((page) => page.conversations) ?? [], query !== ''),
    [list.data, query],
  );
  const { fetchNextPage } = list;
  const more = useWhenVisible(() => void fetchNextPage());

  if (list.isPending) return <LoadingList />;
  if (list.isError && !list.data) {
    return (
      <Alert
        className="mx-1"
        actions={
          <Button size="sm" onClick={() => void list.refetch()}>
            Retry
          </Button>
        }
      >
        {errorMessage(list.error)}
      </Alert>
    );
  }
  if (sections.length === 0) return <EmptyList query={query} />;
  return (
    <>
      {sections.map(({ title, conversations }) => (
        <Fragment key={title}>
          <h2 className="px-2.5 pt-4 pb-1 text-2xs font-semibold text-muted first:pt-1">{title}</h2>
          <ul>
            {conversations.map((conversation) => (
              <ConversationRow key={conversation.id} conversation={conversation} onOpen={onOpen} />
            ))}
          </ul>
        </Fragment>
      ))}
      {list.hasNextPage && <div ref={more} className="h-9" aria-hidden="true" />}
    </>
  );
}

interface Section {
  title: string;
  conversations: ConversationSummary[];
}

/** By age; search results stay in the order of the server, best first. */
function sectionsOf(conversations: ConversationSummary[], searching: boolean): Section[] {
  const sections: Section[] = [];
  for (const conversation of conversations) {
    const title = searching ? 'Results' : formatPeriod(conversation.updated_at);
    const last = sections.at(-1);
    if (last?.title === title) last.conversations.push(conversation);
    else sections.push({ title, conversations: [conversation] });
  }
  return sections;
}

function LoadingList() {
  return (
    <div role="status" className="space-y-3.5 px-2.5 pt-3">
      <span className="sr-only">Loading chats</span>
      {['w-4/5', 'w-3/5', 'w-11/12', 'w-1/2', 'w-3/4'].map((width) => (
        <Skeleton key={width} className={`h-4 ${width}`} />
      ))}
    </div>
  );
}

function EmptyList({ query }: { query: string }) {
  return (
    <p className="px-2.5 pt-3 text-sm text-muted">
      {query ? `Nothing found for “${query}”.` : 'Your chats will be listed here.'}
    </p>
  );
}
