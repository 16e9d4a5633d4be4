import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Cable, Plus } from 'lucide-react';
import { useState, type SubmitEvent } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { Field } from '@/components/ui/field';
import { Input } from '@/components/ui/input';
import { Select } from '@/components/ui/select';

import { ForwardDialog } from '../actions/simple-actions';
import { Empty } from '../parts/empty';
import { Card, Section, ViewBody } from '../parts/section';
import { forwardsQuery, keys } from '../queries';
import { ForwardRow } from './forward-row';

/** What the services of our manifests listen on. */
const PORTS = { backend: 8000, frontend: 80, postgres: 5432 } as const;
type Service = keyof typeof PORTS;
const SERVICES = (Object.keys(PORTS) as Service[]).map((value) => ({ value, label: value }));

const MAX_PORT = 65_535;

/** Ways into the cluster from this computer. Each keeps its local port when the pod behind it is replaced. */
export function ForwardsView() {
  const { data: forwards, error } = useQuery(forwardsQuery());
  return (
    <ViewBody className="max-w-[56rem]">
      <NewForward />
      <Section title="Open now">
        {error && <Alert>{errorMessage(error)}</Alert>}
        {forwards?.length === 0 && (
          <Card>
            <Empty icon={Cable} title="No port is forwarded">
              A forward makes a service of the cluster answer on a port of this computer, for as long as the
              app is open.
            </Empty>
          </Card>
        )}
        {forwards && forwards.length > 0 && (
          <ul className="divide-y divide-line rounded-xl border border-line bg-raised">
            {forwards.map((forward) => (
              <ForwardRow key={forward.id} forward={forward} />
            ))}
          </ul>
        )}
      </Section>
    </ViewBody>
  );
}

function NewForward() {
  const queryClient = useQueryClient();
  const [service, setService] = useState<Service>('backend');
  const [port, setPort] = useState<number>(PORTS.backend);
  const [isAsked, setIsAsked] = useState(false);
  const wrong = !Number.isInteger(port) || port < 1 || port > MAX_PORT;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setIsAsked(true);
  };
  const close = () => {
    setIsAsked(false);
    void queryClient.invalidateQueries({ queryKey: keys.forwards });
  };
  return (
    <Section title="Forward a port">
      <Card>
        <form onSubmit={submit} className="flex flex-wrap items-start gap-x-4 gap-y-3 p-4">
          <div>
            <p className="mb-1 text-sm">Service</p>
            <Select
              label="Service"
              className="h-9 w-36"
              value={service}
              options={SERVICES}
              onChange={(next) => {
                setService(next);
                setPort(PORTS[next]);
              }}
            />
          </div>
          <Field label="Port of the service" problem={wrong ? `Enter 1 to ${MAX_PORT}.` : null}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={1}
                max={MAX_PORT}
                className="w-32"
                value={Number.isNaN(port) ? '' : port}
                onChange={(event) => setPort(event.currentTarget.valueAsNumber)}
              />
            )}
          </Field>
          <Button type="submit" variant="primary" className="mt-6" disabled={wrong}>
            <Plus />
            Forward
          </Button>
        </form>
        {isAsked && <ForwardDialog service={service} port={port} onClose={close} />}
      </Card>
    </Section>
  );
}
