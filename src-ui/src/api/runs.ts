import { open, request } from './client';
import type { Turn } from './types';

/** `id` is made here, so sending the same message twice is harmless: the same turn comes back. */
export function postMessage(
  conversationId: string,
  body: { id: string; parent_id: string | null; content: string },
): Promise<Turn> {
  return request('POST', `/api/conversations/${conversationId}/messages`, { body });
}

/** Answers a user message again; the earlier answers stay as siblings. */
export function postRun(conversationId: string, body: { parent_id: string }): Promise<Turn> {
  return request('POST', `/api/conversations/${conversationId}/runs`, { body });
}

export function stopRun(runId: string): Promise<void> {
  return open('POST', `/api/runs/${runId}/stop`).then(() => undefined);
}

/** Opens the events of a run that follow `after`; 0 replays all of them. */
export async function openRunEvents(
  runId: string,
  after: number,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (after > 0) headers['last-event-id'] = String(after);
  const response = await open('GET', `/api/runs/${runId}/events`, { headers, signal });
  return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
}
