import { create } from 'zustand';

import { tabStorage } from '@/lib/storage';

interface AccessToken {
  /** `null` while the server has asked for none. */
  token: string | null;
  /** Whether the server refuses to answer without one, or with this one. */
  asked: boolean;
}

const STORAGE_KEY = 'access-token';

/** The token that the server asks for, as its user has entered it. */
export const useAccessToken = create<AccessToken>()(() => ({
  token: tabStorage.get(STORAGE_KEY),
  asked: false,
}));

/** `null` forgets it. */
export function keepAccessToken(token: string | null): void {
  tabStorage.set(STORAGE_KEY, token);
  useAccessToken.setState({ token, asked: false });
}
