import { useQuery } from '@tanstack/react-query';

import { errorMessage } from '@/api/error';
import { Alert } from '@/components/alert';
import { CopyButton } from '@/components/copy-button';
import { Dialog } from '@/components/ui/dialog';
import { Skeleton } from '@/components/ui/skeleton';
import type { ObjectRef } from '@/platform/cluster-types';

import { cluster } from '../cluster';
import { YamlText } from './yaml-text';

/** An object as the server has it now, without managedFields. */
export function YamlDialog({ object, onClose }: { object: ObjectRef; onClose: () => void }) {
  const { data, error } = useQuery({
    queryKey: ['cluster', 'yaml', object],
    queryFn: () => cluster().yaml(object),
    retry: false,
    gcTime: 0,
  });
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={object.name}
      description={`${object.kind}, as the server has it now. managedFields are left out.`}
      className="w-[min(52rem,calc(100vw-2rem))]"
    >
      <div className="flex min-h-0 flex-1 flex-col px-5 pb-5">
        {error && <Alert>{errorMessage(error)}</Alert>}
        {!data && !error && <Skeleton className="h-64 w-full" />}
        {data !== undefined && (
          <div className="relative flex min-h-0 flex-1 flex-col">
            <YamlText text={data} />
            <div className="absolute top-1 right-3 rounded-lg bg-sunken">
              <CopyButton text={data} label="Copy the YAML" />
            </div>
          </div>
        )}
      </div>
    </Dialog>
  );
}
