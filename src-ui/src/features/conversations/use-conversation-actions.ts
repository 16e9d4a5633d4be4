import { useMutation, useQueryClient, type InfiniteData } from '@tanstack/react-query';

import { changeConversation, deleteConversation } from '@/api/conversations';
import { keys } from '@/api/queries';
import type { ConversationPage, ConversationSummary, ConversationWithMessages } from '@/api/types';

/** Shows the new title at once and takes it back when the server refuses. */
export function useRename(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (title: string) => changeConversation(id, { title }),
    onMutate: (title) => {
      changeLists(queryClient, (list) => list.map((item) => (item.id === id ? { ...item, title } : item)));
    },
    onSuccess: (conversation) => {
      queryClient.setQueryData<ConversationWithMessages>(
        keys.conversation(id),
        (data) => data && { ...data, conversation },
      );
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.conversationLists }),
  });
}

export function useDelete(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => deleteConversation(id),
    onSuccess: () => {
      changeLists(queryClient, (list) => list.filter((item) => item.id !== id));
      queryClient.removeQueries({ queryKey: keys.conversation(id) });
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.conversationLists }),
  });
}

function changeLists(
  queryClient: ReturnType<typeof useQueryClient>,
  change: (list: ConversationSummary[]) => ConversationSummary[],
): void {
  queryClient.setQueriesData<InfiniteData<ConversationPage>>(
    { queryKey: keys.conversationLists },
    (data) =>
      data && {
        ...data,
        pages: data.pages.map((page) => ({ ...page, conversations: change(page.conversations) })),
      },
  );
}
