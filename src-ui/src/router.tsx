import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  redirect,
} from '@tanstack/react-router';

import { placeOf } from '@/features/cluster/views';
import { ConversationPage } from '@/pages/conversation-page';
import { NewChatPage } from '@/pages/new-chat-page';
import { platform } from '@/platform';

import { Shell } from './shell';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Navigate to="/" replace />,
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
  // Most visits are to a chat, which has no use for charts.
  component: lazyRouteComponent(() => import('@/pages/cluster-page'), 'ClusterPage'),
  validateSearch: placeOf,
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
