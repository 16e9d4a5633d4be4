import { useState } from 'react';

import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';

import type { Unsent } from '../compose/unsent';
import { useThreadActions } from '../thread-actions';
import { EditMessage } from './edit-message';
import { UserBubble } from './user-message';

/** A prompt the server does not have: on its way, or with the reason why it is not. */
export function UnsentMessage({ unsent }: { unsent: Unsent }) {
  const { retryUnsent, editUnsent, discardUnsent } = useThreadActions();
  const [editing, setEditing] = useState(false);

  if (editing) {
    return (
      <EditMessage
        content={unsent.content}
        onCancel={() => setEditing(false)}
        onSend={(content) => {
          setEditing(false);
          editUnsent(unsent, content);
        }}
      />
    );
  }
  return (
    <div className="flex flex-col items-end gap-2" aria-busy={unsent.state === 'sending'}>
      <UserBubble text={unsent.content} />
      {unsent.state === 'failed' && (
        <Alert
          className="max-w-full"
          actions={
            <>
              <Button size="sm" onClick={() => retryUnsent(unsent)}>
                Retry
              </Button>
              <Button size="sm" variant="ghost" onClick={() => setEditing(true)}>
                Edit
              </Button>
              <Button size="sm" variant="ghost" onClick={discardUnsent}>
                Discard
              </Button>
            </>
          }
        >
          <strong className="font-semibold">Not sent.</strong> {unsent.cause}
        </Alert>
      )}
    </div>
  );
}
