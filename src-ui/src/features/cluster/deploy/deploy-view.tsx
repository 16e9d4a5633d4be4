import { useQuery } from '@tanstack/react-query';
import { ArrowLeft } from 'lucide-react';
import { useState } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import type { Context } from '@/platform/cluster-types';

import { Loading } from '../parts/loading';
import { ViewBody } from '../parts/section';
import { defaultOptionsQuery } from '../queries';
import { DeployForm } from './deploy-form';
import { deploy, isUnderWay, usePlan } from './plan-store';
import { PlanView } from './plan-view';
import { Upkeep } from './upkeep';

interface DeployViewProps {
  context: Context | null;
  /** Whether the chosen cluster has something of ours that can be undone or taken down. */
  deployed: boolean;
}

/** The latest deploy, or what a new one should be. */
export function DeployView({ context, deployed }: DeployViewProps) {
  const plan = usePlan((state) => state.plan);
  const [asking, setAsking] = useState(false);
  const shown = plan !== null && (!asking || isUnderWay(plan)) ? plan : null;

  return (
    <ViewBody className="max-w-[56rem]">
      {shown ? (
        <PlanView key={shown.id} plan={shown} onNew={() => setAsking(true)} />
      ) : (
        <NewDeploy
          context={context}
          onBack={plan === null ? null : () => setAsking(false)}
          onStarted={() => setAsking(false)}
        />
      )}
      {(deployed || context?.k3d_cluster) && !(plan && isUnderWay(plan)) && (
        <Upkeep context={context} deployed={deployed} />
      )}
    </ViewBody>
  );
}

interface NewDeployProps {
  context: Context | null;
  /** Back to the latest deploy; `null` when there was none. */
  onBack: (() => void) | null;
  onStarted: () => void;
}

function NewDeploy({ context, onBack, onStarted }: NewDeployProps) {
  const { data: defaults, error, refetch } = useQuery(defaultOptionsQuery());
  const problem = usePlan((state) => state.problem);
  return (
    <div className="space-y-6">
      <div>
        {onBack && (
          <Button size="sm" variant="ghost" className="mb-2 -ml-2.5" onClick={onBack}>
            <ArrowLeft />
            The latest deploy
          </Button>
        )}
        <p className="text-xl font-semibold tracking-tight">Deploy Flotilla</p>
        <p className="mt-1 max-w-xl text-sm text-pretty text-muted">
          The same service as on this computer, on Kubernetes: it scales with its load, keeps answering when a
          pod dies, and opens in any browser.
        </p>
      </div>
      {problem !== null && <Alert>{problem}</Alert>}
      {error && (
        <Alert
          actions={
            <Button size="sm" onClick={() => void refetch()}>
              Retry
            </Button>
          }
        >
          {errorMessage(error)}
        </Alert>
      )}
      {defaults ? (
        <DeployForm
          defaults={defaults}
          context={context}
          onDeploy={(options) => {
            onStarted();
            void deploy(options);
          }}
        />
      ) : (
        !error && <Loading what="Looking at what is here…" />
      )}
    </div>
  );
}
