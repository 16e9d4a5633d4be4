import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';

import { ClusterPanel } from '@/features/cluster/cluster-panel';
import { useSidebar } from '@/sidebar-state';

export function ClusterPage() {
  const place = useSearch({ from: '/cluster' });
  const navigate = useNavigate();
  const openSidebar = useSidebar((state) => state.show);
  useEffect(() => {
    document.title = 'Cluster · Flotilla';
  }, []);
  return (
    <ClusterPanel
      place={place}
      onGo={(search) => void navigate({ to: '/cluster', search })}
      onOpenSidebar={openSidebar}
    />
  );
}
