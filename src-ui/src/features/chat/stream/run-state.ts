import type { ContextReport, Message, RunEvent } from '@/api/types';

/** What is known of an answer while it is being made. */
export type RunState =
  | {
      phase: 'running';
      text: string;
      lastSeq: number;
      link: Link;
      stopping: boolean;
      /** Place in line, from 1, while it waits for its turn. */
      position: number | null;
      start: RunStart | null;
    }
  | { phase: 'ended'; text: string; lastSeq: number; message: Message }
  /** The server no longer knows the run; the stored message says how it ended. */
  | { phase: 'gone'; text: string; lastSeq: number };

type Link = 'connecting' | 'live' | 'reconnecting';

interface RunStart {
  model: string;
  context: ContextReport;
}

export type RunAction =
  | { type: 'connected' }
  | { type: 'disconnected' }
  | { type: 'event'; seq: number; event: RunEvent }
  | { type: 'stop_requested' }
  | { type: 'stop_failed' }
  | { type: 'run_gone' };

export const newRun: RunState = {
  phase: 'running',
  text: '',
  lastSeq: 0,
  link: 'connecting',
  stopping: false,
  position: null,
  start: null,
};

/** Events may come again after a reconnect; those at or below `lastSeq` change nothing. */
export function reduceRun(state: RunState, action: RunAction): RunState {
  if (state.phase !== 'running') return state;
  switch (action.type) {
    case 'connected':
      return { ...state, link: 'live' };
    case 'disconnected':
      return { ...state, link: 'reconnecting' };
    case 'stop_requested':
      return { ...state, stopping: true };
    case 'stop_failed':
      return { ...state, stopping: false };
    case 'run_gone':
      return { phase: 'gone', text: state.text, lastSeq: state.lastSeq };
    case 'event':
      return action.seq > state.lastSeq ? applyEvent(state, action.seq, action.event) : state;
  }
}

function applyEvent(state: RunState & { phase: 'running' }, seq: number, event: RunEvent): RunState {
  switch (event.type) {
    case 'queued':
      return { ...state, lastSeq: seq, position: event.position };
    case 'started':
      return {
        ...state,
        lastSeq: seq,
        position: null,
        start: { model: event.model, context: event.context },
      };
    case 'delta':
      return { ...state, lastSeq: seq, text: state.text + event.text };
    case 'resumed':
      return { ...state, lastSeq: seq, text: event.text };
    case 'finished':
    case 'failed':
      return { phase: 'ended', text: event.message.content, lastSeq: seq, message: event.message };
  }
}
