import { randomUUID } from 'node:crypto';

import type { ConversationWithMessages, Parameters, Turn } from '../src/api/types';

/** Puts conversations in place through the HTTP API, without the UI. */
export class Api {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async conversation(title: string, parameters: Parameters = {}): Promise<string> {
    const id = randomUUID();
    await this.#send('POST', '/api/conversations', { id, title, parameters });
    return id;
  }

  /** Posts a message and waits until its answer is complete. Returns the answer's id. */
  async exchange(conversationId: string, content: string, parentId: string | null = null): Promise<string> {
    const turn = await this.#send<Turn>('POST', `/api/conversations/${conversationId}/messages`, {
      content,
      parent_id: parentId,
    });
    // The events end when the answer does.
    const events = await fetch(`${this.#url}/api/runs/${turn.run_id}/events`);
    await events.text();
    return turn.assistant_message.id;
  }

  async messages(conversationId: string) {
    const { messages } = await this.#send<ConversationWithMessages>(
      'GET',
      `/api/conversations/${conversationId}`,
    );
    return messages;
  }

  async #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.headers = { 'content-type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    const response = await fetch(this.#url + path, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}
