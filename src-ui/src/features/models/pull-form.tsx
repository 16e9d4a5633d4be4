import { Download } from 'lucide-react';
import { useState, type SubmitEvent } from 'react';

import { errorMessage } from '@/api/error';
import { Button } from '@/components/ui/button';
import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';

import { usePull } from './use-downloads';

const HINT = 'From the Ollama library, or from Hugging Face as hf.co/owner/repository:Q4_K_M.';

/** Asks for a model by its name; the download then stands in the list. */
export function PullForm() {
  const [name, setName] = useState('');
  const pull = usePull();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    pull.mutate(name.trim(), { onSuccess: () => setName('') });
  };

  return (
    <form onSubmit={submit}>
      <Field label="Get a model" hint={HINT} problem={pull.error && errorMessage(pull.error)}>
        {(control) => (
          <div className="flex gap-2">
            <Input
              {...control}
              placeholder="qwen2.5:0.5b"
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              value={name}
              onChange={(event) => {
                setName(event.currentTarget.value);
                pull.reset();
              }}
            />
            <Button type="submit" variant="primary" disabled={name.trim() === '' || pull.isPending}>
              <Download aria-hidden="true" />
              Download
            </Button>
          </div>
        )}
      </Field>
    </form>
  );
}
