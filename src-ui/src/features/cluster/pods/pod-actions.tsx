import { Ellipsis, FileCode, RotateCw, ScrollText, Trash2 } from 'lucide-react';

import { IconButton } from '@/components/ui/icon-button';
import { Menu, MenuItem } from '@/components/ui/menu';
import type { Pod } from '@/platform/cluster-types';

export type PodAction = 'details' | 'logs' | 'yaml' | 'restart' | 'delete';

interface PodActionsProps {
  pod: Pod;
  tabIndex?: number;
  onAction: (action: PodAction) => void;
}

export function PodActions({ pod, tabIndex, onAction }: PodActionsProps) {
  return (
    <Menu
      trigger={
        <IconButton label={`Actions for ${pod.name}`} size="sm" tabIndex={tabIndex}>
          <Ellipsis />
        </IconButton>
      }
    >
      <MenuItem onClick={() => onAction('logs')}>
        <ScrollText />
        Logs
      </MenuItem>
      <MenuItem onClick={() => onAction('yaml')}>
        <FileCode />
        YAML
      </MenuItem>
      {pod.app !== 'postgres' && (
        <MenuItem onClick={() => onAction('restart')}>
          <RotateCw />
          Restart {pod.app}…
        </MenuItem>
      )}
      <MenuItem tone="danger" onClick={() => onAction('delete')}>
        <Trash2 />
        Delete…
      </MenuItem>
    </Menu>
  );
}
