import { request } from './client';
import type { Job, ModelList } from './types';

export function listModels(signal?: AbortSignal): Promise<ModelList> {
  return request('GET', '/api/models', { signal });
}

/** Starts a download; who asks for the same model again gets the same job. */
export function pullModel(model: string): Promise<Job> {
  return request('POST', '/api/models/pull', { body: { model } });
}

export function unloadModel(model: string): Promise<void> {
  return request('POST', `${path(model)}/unload`);
}

export function deleteModel(model: string): Promise<void> {
  return request('DELETE', path(model));
}

function path(model: string): string {
  return `/api/models/${encodeURIComponent(model)}`;
}
