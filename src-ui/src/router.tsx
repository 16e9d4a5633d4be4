import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router';

import { ClusterPage } from '@/pages/cluster-page';
import { ConversationPage } from '@/pages/conversation-page';
import { NewChatPage } from '@/pages/new-chat-page';
import { platform } from '@/platform';

import { Shell } from './shell';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => redirect({ to: '/' }),
});

const newChat = createRoute({ getParentRoute: () => root, path: '/', component: NewChatPage });

const conversation = createRoute({
  getParentRoute: () => root,
  path: '/c/$conversationId',
  component: ConversationPage,
  validateSearch: (search): { message?: string } =>
    typeof search.message === 'string' ? { message: search.message } : {},
});

const cluster = createRoute({
  getParentRoute: () => root,
  path: '/cluster',
  component: ClusterPage,
  beforeLoad: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- the router's way to redirect
    if (!platform.capabilities.cluster) throw redirect({ to: '/' });
  },
});

export const router = createRouter({ routeTree: root.addChildren([newChat, conversation, cluster]) });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
