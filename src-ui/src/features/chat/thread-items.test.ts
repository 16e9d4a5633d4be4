import { describe, expect, it } from 'vitest';

import { aMessage } from '@/test/messages';

import type { Unsent } from './compose/unsent';
import { itemId, threadItems } from './thread-items';
import { visibleBranch } from './tree/branch';

const branch = visibleBranch(
  [aMessage({ id: 'q', role: 'user' }), aMessage({ id: 'a', parent_id: 'q' })],
  'a',
);
const unsent = (changes: Partial<Unsent>): Unsent => ({
  id: 'new',
  conversationId: 'conversation',
  parentId: 'a',
  content: 'text',
  state: 'sending',
  cause: null,
  ...changes,
});
const ids = (message: Unsent | null) => threadItems(branch, message).map(itemId);

describe('the items of a thread', () => {
  it('end with the message that is on its way', () => {
    expect(ids(unsent({}))).toEqual(['q', 'a', 'new']);
  });

  it('hide the version that an unsent edit replaces', () => {
    expect(ids(unsent({ parentId: null }))).toEqual(['new']);
  });

  it('show a message once when the server has it', () => {
    expect(ids(unsent({ id: 'a' }))).toEqual(['q', 'a']);
  });
});
