import { useQuery, useQueryClient } from '@tanstack/react-query';
import { PanelLeft } from 'lucide-react';
import { useEffect, useState } from 'react';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { Button } from '@/components/ui/button';
import { IconButton } from '@/components/ui/icon-button';
import type { Plan } from '@/platform/cluster-types';

import { ConnectionStatus } from './connection-status';
import { chosenContext, contextKey } from './context/chosen';
import { ContextChip } from './context/context-chip';
import { ContextPicker } from './context/context-picker';
import { followPlan, usePlan } from './deploy/plan-store';
import { Live } from './live/live';
import { PanelBody } from './panel-body';
import { Loading } from './parts/loading';
import { contextsQuery, keys } from './queries';
import { drill } from './trials/drill';
import { load } from './trials/load';
import type { Place } from './views';

interface ClusterPanelProps {
  place: Place;
  onGo: (place: Place) => void;
  onOpenSidebar: () => void;
}

/** Deploys the service to a cluster and shows how it lives there. Whatever it follows ends with it. */
export function ClusterPanel({ place, onGo, onOpenSidebar }: ClusterPanelProps) {
  const { data: contexts, error, refetch } = useQuery(contextsQuery());
  const [picking, setPicking] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const context = contexts ? chosenContext(contexts) : null;
  usePlanOfThisView(contexts !== undefined);
  useEffect(
    () => () => {
      load.end();
      drill.end();
    },
    [],
  );

  return (
    <Live key={`${contextKey(context?.id ?? null)} ${attempt}`} wanted={context !== null}>
      <header className="flex h-14 shrink-0 items-center gap-3 border-b border-line px-3 sm:px-6">
        <IconButton label="Open chats" onClick={onOpenSidebar} className="md:hidden">
          <PanelLeft />
        </IconButton>
        <h1 className="text-sm font-semibold">Cluster</h1>
        {contexts && (
          <>
            <span className="text-line-strong" aria-hidden="true">
              /
            </span>
            <div className="flex min-w-0 flex-1">
              <ContextChip context={context} onOpen={() => setPicking(true)} />
            </div>
            {context && <ConnectionStatus />}
            <ContextPicker open={picking} onOpenChange={setPicking} contexts={contexts} />
          </>
        )}
      </header>
      {contexts && (
        <PanelBody
          context={context}
          place={place}
          onGo={onGo}
          onReconnect={() => setAttempt((before) => before + 1)}
        />
      )}
      {!contexts && !error && <Loading what="Reading the kubeconfig files…" />}
      {error && (
        <div className="m-auto w-full max-w-md p-6">
          <Alert
            actions={
              <Button size="sm" onClick={() => void refetch()}>
                Retry
              </Button>
            }
          >
            {errorMessage(error)}
          </Alert>
        </div>
      )}
    </Live>
  );
}

/** Follows the latest plan. The shell chooses the cluster that a plan makes as soon as it answers, whatever comes after. */
function usePlanOfThisView(contextsKnown: boolean): void {
  const queryClient = useQueryClient();
  const moment = usePlan(({ plan }) => plan && momentOf(plan));
  useEffect(followPlan, []);
  useEffect(() => {
    // The first list, while it is on its way, would be taken for a new one.
    if (contextsKnown && moment !== null) void queryClient.invalidateQueries({ queryKey: keys.contexts });
  }, [queryClient, contextsKnown, moment]);
}

/** Changes with the plan's context, its status and that of each step, and not with what it only tells. */
function momentOf({ id, context, status, steps }: Plan): string {
  return JSON.stringify([id, context, status, steps.map((step) => step.status)]);
}
