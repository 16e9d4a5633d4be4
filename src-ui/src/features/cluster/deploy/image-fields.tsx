import { useId } from 'react';

import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';
import { RadioCards } from '@/components/ui/radio-cards';

import type { FieldsProps } from './target-fields';

/** How the two images come into the cluster. */
export function ImageFields({ options, problems, onChange }: FieldsProps) {
  const headingId = useId();
  const { images, target } = options;

  const setKind = (kind: typeof images.kind) =>
    onChange({ images: kind === 'registry' ? { kind, prefix: '' } : { kind } });

  return (
    <section className="space-y-3">
      <h2 id={headingId} className="text-sm font-semibold">
        Images
      </h2>
      <RadioCards
        labelledBy={headingId}
        value={images.kind}
        onChange={setKind}
        className="sm:grid-cols-3"
        options={[
          { value: 'build', title: 'Build them here', text: 'With Docker, from the source tree.' },
          { value: 'present', title: 'Already there', text: 'The nodes have them; nothing is sent.' },
          { value: 'registry', title: 'From a registry', text: 'The nodes pull them from it.' },
        ]}
      />
      {images.kind === 'registry' && (
        <Field
          label="Registry and path"
          hint={`The nodes pull ${images.prefix.trim() || 'PREFIX'}/flotilla-backend and …/flotilla-frontend.`}
          problem={problems.prefix ?? null}
          className="max-w-md"
        >
          {(control) => (
            <Input
              {...control}
              placeholder="registry.example.org/team"
              value={images.prefix}
              onChange={(event) =>
                onChange({ images: { kind: 'registry', prefix: event.currentTarget.value } })
              }
            />
          )}
        </Field>
      )}
      {images.kind === 'build' && target.kind === 'context' && (
        <Field
          label="Command that loads images into the nodes"
          hint="Run after the build as COMMAND IMAGE. Where the nodes share Docker’s images, choose “Already there”."
          className="max-w-md"
        >
          {(control) => (
            <Input
              {...control}
              className="font-mono text-xs"
              placeholder="kind load docker-image"
              value={options.load_command ?? ''}
              onChange={(event) => onChange({ load_command: event.currentTarget.value || null })}
            />
          )}
        </Field>
      )}
    </section>
  );
}
