import { useQuery } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';

import { errorMessage } from '@/api/error';
import { Button } from '@/components/ui/button';
import { Input } from '@/components/ui/input';
import { platform } from '@/platform';

/** This computer, or the address of another Flotilla server. Loads the page again to use it. */
export function ServerChoice() {
  const { data: current, isPending } = useQuery({
    queryKey: ['server-choice'],
    queryFn: () => platform.serverChoice.get(),
    staleTime: Infinity,
  });
  if (isPending) return null;
  return <ServerForm current={current ?? null} />;
}

function ServerForm({ current }: { current: string | null }) {
  const [address, setAddress] = useState(current ?? '');
  const [problem, setProblem] = useState<string | null>(null);

  const connect = async (url: string | null) => {
    try {
      await platform.serverChoice.set(url);
      window.location.assign('/');
    } catch (error) {
      setProblem(errorMessage(error));
    }
  };

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const url = serverUrl(address);
    if (url === null) setProblem('Enter an address that starts with http:// or https://.');
    else void connect(url);
  };

  return (
    <form onSubmit={submit} className="space-y-2">
      <p className="text-sm text-muted">
        {current === null ? 'Chats and models are on this computer.' : `Chats and models are on ${current}.`}
      </p>
      <div className="flex gap-2">
        <Input
          aria-label="Server address"
          aria-invalid={problem !== null}
          inputMode="url"
          placeholder="https://flotilla.example.org"
          value={address}
          onChange={(event) => {
            setAddress(event.currentTarget.value);
            setProblem(null);
          }}
        />
        <Button type="submit" disabled={address.trim() === '' || address.trim() === current}>
          Connect
        </Button>
      </div>
      {problem && (
        <p role="alert" className="text-sm text-danger">
          {problem}
        </p>
      )}
      {current !== null && <Button onClick={() => void connect(null)}>Use this computer</Button>}
    </form>
  );
}

function serverUrl(text: string): string | null {
  if (!URL.canParse(text.trim())) return null;
  const url = new URL(text.trim());
  return ['http:', 'https:'].includes(url.protocol) ? url.href.replace(/\/$/, '') : null;
}
