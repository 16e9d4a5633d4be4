import { platform } from '@/platform';

import { useAccessToken } from './access-token';
import { ApiError } from './error';

interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Lets the request outlive the page; its body may have 64 KiB then. */
  keepalive?: boolean;
  /** Instead of the one that is kept. */
  accessToken?: string;
}

/** Sends a request and reads the JSON answer. Throws {@link ApiError}, or the signal's reason when aborted. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const response = await open(method, path, options);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    options.signal?.throwIfAborted();
    throw new ApiError('The server sent an answer that cannot be read.', {
      code: 'bad_answer',
      status: response.status,
    });
  }
}

/** Sends a request and hands over the successful response with its body unread. */
export async function open(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const { baseUrl, token } = await connection();
  const headers = new Headers(options.headers);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  const accessToken = options.accessToken ?? useAccessToken.getState().token;
  if (accessToken !== null) headers.set(platform.accessTokenHeader, `Bearer ${accessToken}`);
  const { keepalive = false, signal = null } = options;
  const init: RequestInit = { method, headers, signal, keepalive };
  if (options.body !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(options.body);
  }

  let response: Response;
  try {
    response = await fetch(baseUrl + path, init);
  } catch {
    options.signal?.throwIfAborted();
    throw ApiError.unreachable();
  }
  // A late refusal of the token before says nothing of the one that is kept now.
  if (response.status === 401 && accessToken === useAccessToken.getState().token) {
    useAccessToken.setState({ asked: true });
  }
  if (!response.ok) throw await ApiError.fromResponse(response);
  return response;
}

let known: ReturnType<typeof platform.connection> | undefined;

/** Known while the page lives; after a failure the next request asks again. */
function connection() {
  known ??= platform.connection().catch((error: unknown) => {
    known = undefined;
    throw error;
  });
  return known;
}
