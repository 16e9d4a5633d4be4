import type { Message } from '@/api/types';

/** A finished answer, except for what the test says. */
export function aMessage(changes: Partial<Message> = {}): Message {
  return {
    id: 'message',
    conversation_id: 'conversation',
    parent_id: null,
    role: 'assistant',
    content: 'Boats float.',
    status: 'complete',
    error: null,
    model: 'smollm2:135m',
    run_id: null,
    details: null,
    created_at: '2026-11-23T12:00:00Z',
    ...changes,
  };
}
