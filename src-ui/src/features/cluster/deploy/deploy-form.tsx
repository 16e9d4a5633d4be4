import { Rocket } from 'lucide-react';
import { useId, useState, type SubmitEvent } from 'react';

import { Button } from '@/components/ui/button';
import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';
import { RadioCards } from '@/components/ui/radio-cards';
import type { Context, DeployOptions } from '@/platform/cluster-types';

import { ImageFields } from './image-fields';
import { optionProblems } from './options';
import { TargetFields } from './target-fields';

interface DeployFormProps {
  defaults: DeployOptions;
  /** The cluster that "the chosen context" means. */
  context: Context | null;
  onDeploy: (options: DeployOptions) => void;
}

/** Where to deploy what. Nothing happens to a cluster before its changes were shown and agreed to. */
export function DeployForm({ defaults, context, onDeploy }: DeployFormProps) {
  const [options, setOptions] = useState(defaults);
  const overlayId = useId();
  const change = (part: Partial<DeployOptions>) => setOptions((before) => ({ ...before, ...part }));
  const problems = optionProblems(options);
  const contextMissing = options.target.kind === 'context' && context === null;

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onDeploy({
      ...options,
      url: options.url.trim().replace(/\/$/, ''),
      load_command: options.target.kind === 'context' ? options.load_command : null,
    });
  };

  return (
    <form onSubmit={submit} className="space-y-7">
      <TargetFields
        options={options}
        defaults={defaults}
        context={context}
        problems={problems}
        onChange={change}
      />
      <ImageFields options={options} problems={problems} onChange={change} />
      <section className="space-y-2">
        <h2 id={overlayId} className="text-sm font-semibold">
          Model
        </h2>
        <RadioCards
          labelledBy={overlayId}
          value={options.overlay}
          onChange={(overlay) => change({ overlay })}
          options={[
            {
              value: 'k3d',
              title: 'Inside the cluster',
              text: 'Each backend runs the starter model itself. Nothing else is needed.',
            },
            {
              value: 'ollama-host',
              title: 'Ollama on this computer',
              text: 'The backends ask the Ollama that runs on the host of the cluster.',
            },
          ]}
        />
      </section>
      <Field
        label="Address"
        hint="Where the service is looked for at the end, and what Open opens."
        problem={problems.url ?? null}
        className="max-w-md"
      >
        {(control) => (
          <Input
            {...control}
            inputMode="url"
            value={options.url}
            onChange={(event) => change({ url: event.currentTarget.value })}
          />
        )}
      </Field>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-t border-line pt-4">
        <Button type="submit" variant="primary" disabled={contextMissing || Object.keys(problems).length > 0}>
          <Rocket />
          Deploy
        </Button>
        <p className="min-w-0 flex-1 basis-60 text-xs text-muted">
          {contextMissing
            ? 'Choose a cluster above first, or let k3d make one.'
            : 'Checks first, then shows every change and asks before it makes one.'}
        </p>
      </div>
    </form>
  );
}
