import { useState } from 'react';

import type { MessageStatus } from '@/api/types';

import type { RunActivity } from './stream/use-run';

interface AnswerAnnouncerProps {
  activity: RunActivity;
  /** Of the newest message. */
  status: MessageStatus | null;
}

/** Tells screen readers when an answer begins and ends, instead of reading every word. Failures are alerts. */
export function AnswerAnnouncer({ activity, status }: AnswerAnnouncerProps) {
  const generating = activity !== 'idle' || status === 'streaming';
  const [wasGenerating, setWasGenerating] = useState(generating);
  const [ended, setEnded] = useState(false);
  if (generating !== wasGenerating) {
    setWasGenerating(generating);
    setEnded(wasGenerating);
  }
  return (
    <div role="status" className="sr-only">
      {generating ? 'Generating' : ended && status !== null ? OUTCOMES[status] : ''}
    </div>
  );
}

const OUTCOMES: Record<MessageStatus, string> = {
  streaming: '',
  complete: 'Response complete',
  stopped: 'Stopped',
  interrupted: '',
  error: '',
};
