import { Alert } from '@/components/alert';
import { Badge } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { TabPanel, Tabs } from '@/components/ui/tabs';
import type { Context } from '@/platform/cluster-types';

import { DeployView } from './deploy/deploy-view';
import { isUnderWay, usePlan } from './deploy/plan-store';
import { EventsView } from './events/events-view';
import { ForwardsView } from './forwards/forwards-view';
import { useLive } from './live/live';
import { LogsView } from './logs/logs-view';
import { Overview } from './overview/overview';
import { Loading } from './parts/loading';
import { PodsView } from './pods/pods-view';
import { TrialsView } from './trials/trials-view';
import { VIEW_TITLES, VIEWS, type Place, type View } from './views';

interface PanelBodyProps {
  context: Context | null;
  place: Place;
  onGo: (place: Place) => void;
  onReconnect: () => void;
}

/** A cluster without our service offers to deploy it; one with it shows it. */
export function PanelBody({ context, place, onGo, onReconnect }: PanelBodyProps) {
  const deployments = useLive((state) => state.deployments);
  const problem = useLive((state) => state.problem);
  const reason = useLive((state) => state.connection.reason);
  const planPhase = usePlan((state) => state.phase);
  const underWay = usePlan((state) => state.plan !== null && isUnderWay(state.plan));

  if (planPhase === 'loading') return <Loading what="Looking for the latest deploy…" />;
  if (deployments !== null && deployments.length > 0) {
    return <Deployed context={context} place={place} onGo={onGo} />;
  }
  if (context === null || underWay || (deployments !== null && problem === null)) {
    return <DeployView context={context} deployed={false} />;
  }
  if (problem === null && reason === null) return <Loading what={`Connecting to ${context.id.name}…`} />;
  return (
    <>
      <div className="mx-auto w-full max-w-[56rem] shrink-0 px-3 pt-5 sm:px-6">
        <Alert
          tone={problem === null ? 'warning' : 'danger'}
          actions={
            <Button size="sm" onClick={onReconnect}>
              Try now
            </Button>
          }
        >
          <strong className="font-semibold">{context.id.name} does not answer.</strong> {problem ?? reason}
        </Alert>
      </div>
      <DeployView context={context} deployed={false} />
    </>
  );
}

function Deployed({ context, place, onGo }: Omit<PanelBodyProps, 'onReconnect'>) {
  const underWay = usePlan((state) => state.plan !== null && isUnderWay(state.plan));
  const reconnecting = useLive((state) => state.connection.state === 'reconnecting');
  const reason = useLive((state) => state.connection.reason);
  const view = place.view ?? (underWay ? 'deploy' : 'overview');
  const pod = place.pod ?? null;

  return (
    <Tabs
      label="Parts of the cluster"
      value={view}
      onChange={(next: View) => onGo({ view: next })}
      tabs={VIEWS.map((value) => ({ value, label: <TabLabel view={value} /> }))}
    >
      {reconnecting && (
        <Alert tone="warning" className="mx-3 mt-3 sm:mx-6">
          What you see may be old: the connection was lost and is being made again. {reason}
        </Alert>
      )}
      <TabPanel value="overview">
        <Overview />
      </TabPanel>
      <TabPanel value="pods">
        <PodsView onLogs={(name) => onGo({ view: 'logs', pod: name })} />
      </TabPanel>
      <TabPanel value="logs">
        <LogsView
          pod={pod}
          onPod={(name) => onGo({ view: 'logs', ...(name === null ? {} : { pod: name }) })}
        />
      </TabPanel>
      <TabPanel value="events">
        <EventsView />
      </TabPanel>
      <TabPanel value="forwards">
        <ForwardsView />
      </TabPanel>
      <TabPanel value="trials">
        <TrialsView />
      </TabPanel>
      <TabPanel value="deploy">
        <DeployView context={context} deployed />
      </TabPanel>
    </Tabs>
  );
}

function TabLabel({ view }: { view: View }) {
  const unready = useLive((state) => countUnready(state.pods.values()));
  const planStatus = usePlan((state) => state.plan?.status);
  const title = VIEW_TITLES[view];
  if (view === 'pods' && unready > 0) {
    return (
      <>
        {title}
        <Badge tone="warning" aria-label={`${unready} not ready`}>
          {unready}
        </Badge>
      </>
    );
  }
  if (
    view === 'deploy' &&
    (planStatus === 'running' || planStatus === 'waiting' || planStatus === 'failed')
  ) {
    return (
      <>
        {title}
        <Badge tone={planStatus === 'failed' ? 'danger' : planStatus === 'waiting' ? 'warning' : 'accent'}>
          {planStatus}
        </Badge>
      </>
    );
  }
  return title;
}

function countUnready(pods: Iterable<{ ready: boolean; deleting: boolean; phase: string }>): number {
  let count = 0;
  for (const { ready, deleting, phase } of pods) {
    if (!ready && !deleting && phase !== 'Succeeded') count += 1;
  }
  return count;
}
