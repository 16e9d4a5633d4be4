import { Gauge } from 'lucide-react';

import { useLive } from '../live/live';
import { Empty } from '../parts/empty';
import { ViewBody } from '../parts/section';
import { DrillCard } from './drill-card';
import { LoadDial } from './load-dial';

export function TrialsView() {
  const url = useLive((state) => state.url);
  if (url === null) {
    return (
      <Empty icon={Gauge} title="No address to put load on">
        The service has no address yet. Deploy it from here, so that the app knows where it answers.
      </Empty>
    );
  }
  return (
    <ViewBody className="max-w-[56rem]">
      <LoadDial url={url} />
      <DrillCard url={url} />
    </ViewBody>
  );
}
