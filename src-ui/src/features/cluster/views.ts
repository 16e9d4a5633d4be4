/** The parts of the panel, in the order of their tabs. */
export const VIEWS = ['overview', 'pods', 'logs', 'events', 'forwards', 'trials', 'deploy'] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_TITLES: Record<View, string> = {
  overview: 'Overview',
  pods: 'Pods',
  logs: 'Logs',
  events: 'Events',
  forwards: 'Port forwards',
  trials: 'Load and drill',
  deploy: 'Deploy',
};

/** What part of the panel an address names; its pod is the one whose logs are shown. */
export interface Place {
  view?: View;
  pod?: string;
}

/** Reads the part from an address, and ignores what it does not know. */
export function placeOf({ view, pod }: Record<string, unknown>): Place {
  const known = VIEWS.find((name) => name === view);
  return {
    ...(known ? { view: known } : {}),
    ...(typeof pod === 'string' ? { pod } : {}),
  };
}
