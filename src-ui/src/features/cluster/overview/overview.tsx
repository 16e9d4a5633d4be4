import { useLive } from '../live/live';
import { ViewBody } from '../parts/section';
import { ScalingTimeline } from '../replicas/scaling-timeline';
import { WhyReplicas } from '../replicas/why-replicas';
import { LoadStrip } from '../trials/load-strip';
import { ServiceCard } from './service-card';
import { WorkloadCards } from './workload-cards';

/** Whether it answers, how many replicas answer, and why that many. */
export function Overview() {
  const autoscalers = useLive((state) => state.autoscalers);
  const backend = autoscalers.find(({ target }) => target === 'backend') ?? autoscalers[0];
  return (
    <ViewBody>
      <div className="space-y-3">
        <ServiceCard />
        <WorkloadCards />
        <LoadStrip />
      </div>
      <ScalingTimeline autoscaler={backend} />
      {autoscalers.map((autoscaler) => (
        <WhyReplicas key={`${autoscaler.namespace}/${autoscaler.name}`} autoscaler={autoscaler} />
      ))}
    </ViewBody>
  );
}
