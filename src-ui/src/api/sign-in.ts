import { keepAccessToken } from './access-token';
import { request } from './client';

/** Keeps the token if the server takes it. Throws {@link ApiError}, with the status 401 if it does not. */
export async function signIn(accessToken: string): Promise<void> {
  await request('GET', '/api/conversations?limit=1', { accessToken });
  keepAccessToken(accessToken);
}
