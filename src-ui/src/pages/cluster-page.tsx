import { PanelLeft } from 'lucide-react';
import { useEffect } from 'react';

import { IconButton } from '@/components/ui/icon-button';
import { ClusterPanel } from '@/features/cluster/cluster-panel';
import { useSidebar } from '@/sidebar-state';

export function ClusterPage() {
  const openSidebar = useSidebar((state) => state.show);
  useEffect(() => {
    document.title = 'Cluster · Flotilla';
  }, []);
  return (
    <>
      <div className="p-2.5 md:hidden">
        <IconButton label="Open chats" onClick={openSidebar}>
          <PanelLeft />
        </IconButton>
      </div>
      <ClusterPanel />
    </>
  );
}
