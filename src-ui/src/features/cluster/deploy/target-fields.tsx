import { useId } from 'react';

import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';
import { RadioCards } from '@/components/ui/radio-cards';
import type { Context, DeployOptions } from '@/platform/cluster-types';

import { k3dUrl, type optionProblems } from './options';

export interface FieldsProps {
  options: DeployOptions;
  problems: ReturnType<typeof optionProblems>;
  onChange: (part: Partial<DeployOptions>) => void;
}

interface TargetFieldsProps extends FieldsProps {
  /** What the shell would deploy to: a k3d cluster. */
  defaults: DeployOptions;
  context: Context | null;
}

/** A new cluster on this computer, or the one that the chip names. */
export function TargetFields({ options, defaults, context, problems, onChange }: TargetFieldsProps) {
  const headingId = useId();
  const { target } = options;

  const setKind = (kind: 'k3d' | 'context') => {
    if (kind === target.kind) return;
    onChange(kind === 'context' ? { target: { kind } } : { target: defaults.target, url: defaults.url });
  };

  return (
    <section className="space-y-3">
      <h2 id={headingId} className="text-sm font-semibold">
        Cluster
      </h2>
      <RadioCards
        labelledBy={headingId}
        value={target.kind}
        onChange={setKind}
        options={[
          {
            value: 'k3d',
            title: 'A k3d cluster on this computer',
            text: 'Kubernetes in Docker. It is made when there is none of that name.',
          },
          {
            value: 'context',
            title: context ? context.id.name : 'The chosen cluster',
            text: context
              ? `${context.is_local ? 'On this computer' : 'Not on this computer'}, ${context.server}`
              : 'None is chosen yet: use the button at the top.',
            disabled: context === null,
          },
        ]}
      />
      {target.kind === 'k3d' && (
        <div className="grid gap-3 sm:grid-cols-[2fr_1fr_1fr]">
          <Field label="Name" problem={problems.name ?? null}>
            {(control) => (
              <Input
                {...control}
                value={target.name}
                onChange={(event) => onChange({ target: { ...target, name: event.currentTarget.value } })}
              />
            )}
          </Field>
          <Field label="Extra nodes" hint="Besides the first." problem={problems.agents ?? null}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={0}
                max={8}
                value={Number.isNaN(target.agents) ? '' : target.agents}
                onChange={(event) =>
                  onChange({ target: { ...target, agents: event.currentTarget.valueAsNumber } })
                }
              />
            )}
          </Field>
          <Field label="Web port" hint="On this computer." problem={problems.http_port ?? null}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={1}
                max={65_535}
                value={Number.isNaN(target.http_port) ? '' : target.http_port}
                onChange={(event) => {
                  const port = event.currentTarget.valueAsNumber;
                  onChange({
                    target: { ...target, http_port: port },
                    ...(Number.isInteger(port) ? { url: k3dUrl(port) } : {}),
                  });
                }}
              />
            )}
          </Field>
        </div>
      )}
    </section>
  );
}
