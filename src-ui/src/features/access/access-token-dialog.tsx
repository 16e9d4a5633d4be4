import { useQueryClient } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';

import { useAccessToken } from '@/api/access-token';
import { ApiError } from '@/api/error';
import { signIn } from '@/api/sign-in';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Input } from '@/components/ui/input';

/** Asks for the server's token as soon as it has refused something for want of it. */
export function AccessTokenDialog() {
  const asked = useAccessToken((state) => state.asked);
  return (
    <Dialog
      open={asked}
      onOpenChange={(open) => useAccessToken.setState({ asked: open })}
      title="Access token"
      description="This server answers only with its token. It is kept until this window is closed."
    >
      <TokenForm />
    </Dialog>
  );
}

function TokenForm() {
  const queryClient = useQueryClient();
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string | null>(null);

  const enter = async () => {
    try {
      await signIn(token.trim());
      await queryClient.invalidateQueries();
    } catch (error) {
      setProblem(refusal(error));
    }
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void enter();
  };

  return (
    <form onSubmit={submit} className="space-y-2 px-5 pb-5">
      <div className="flex gap-2">
        <Input
          aria-label="Token"
          aria-invalid={problem !== null}
          type="password"
          autoComplete="off"
          autoFocus
          value={token}
          onChange={(event) => {
            setToken(event.currentTarget.value);
            setProblem(null);
          }}
        />
        <Button type="submit" variant="primary" disabled={token.trim() === ''}>
          Continue
        </Button>
      </div>
      {problem && (
        <p role="alert" className="text-sm text-danger">
          {problem}
        </p>
      )}
    </form>
  );
}

function refusal(error: unknown): string {
  // Letters that no header can carry do not even reach the server.
  return error instanceof ApiError && error.status !== 401
    ? error.message
    : 'The server does not take this token.';
}
