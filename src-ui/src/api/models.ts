import { request } from './client';
import type { ModelList } from './types';

export function listModels(signal?: AbortSignal): Promise<ModelList> {
  return request('GET', '/api/models', { signal });
}
