import { useQuery } from '@tanstack/react-query';
import { Gauge } from 'lucide-react';

import { useLive } from '../live/live';
import { Empty } from '../parts/empty';
import { ViewBody } from '../parts/section';
import { limitsQuery } from '../queries';
import { DrillCard } from './drill-card';
import { LoadDial } from './load-dial';

export function TrialsView() {
  const url = useLive((state) => state.url);
  const { data: limits } = useQuery(limitsQuery());
  if (url === null) {
    return (
      <Empty icon={Gauge} title="No address to put load on">
        The service has no address yet. Deploy it from here, so that the app knows where it answers.
      </Empty>
    );
  }
  return (
    <ViewBody className="max-w-[56rem]">
      {limits && (
        <>
          <LoadDial url={url} maxChats={limits.load_chats} maxSeconds={limits.load_seconds} />
          <DrillCard url={url} maxChats={limits.drill_chats} />
        </>
      )}
    </ViewBody>
  );
}
