import { Select } from '@base-ui/react/select';
import { useQuery } from '@tanstack/react-query';
import { Check, ChevronDown, Download } from 'lucide-react';
import { useState } from 'react';

import { errorMessage } from '@/api/error';
import { modelsQuery } from '@/api/queries';
import type { Job, Model } from '@/api/types';
import { Skeleton } from '@/components/ui/skeleton';
import { cn } from '@/lib/cn';

import { donePercent } from './download-row';
import { modelFacts } from './model-facts';
import { ModelsDialog } from './models-dialog';
import { useDownloads } from './use-downloads';

/** No model's name has a space. */
const MANAGE = 'manage models';

interface ModelPickerProps {
  /** `null` follows the server's default. */
  value: string | null;
  onChange: (model: string) => void;
}

export function ModelPicker({ value, onChange }: ModelPickerProps) {
  const { data, error, isPending } = useQuery(modelsQuery());
  const downloads = useDownloads();
  const [managing, setManaging] = useState(false);
  if (isPending) return <Skeleton className="h-5 w-32" />;
  const chosen = value ?? data?.default ?? null;

  const picker = (
    <Select.Root
      value={chosen}
      onValueChange={(choice) => {
        if (choice === MANAGE) setManaging(true);
        else if (choice) onChange(choice);
      }}
    >
      <Select.Trigger
        aria-label="Model"
        className="-mx-2 flex h-8 max-w-full min-w-0 items-center gap-1.5 rounded-lg px-2 text-sm text-muted transition-colors duration-150 hover:bg-hover hover:text-ink data-popup-open:bg-hover data-popup-open:text-ink"
      >
        <span className="truncate">{chosen ?? 'No model'}</span>
        <ChevronDown className="size-3.5 shrink-0" aria-hidden="true" />
      </Select.Trigger>
      <Select.Portal>
        <Select.Positioner
          side="bottom"
          align="start"
          sideOffset={6}
          collisionPadding={12}
          alignItemWithTrigger={false}
          className="z-30"
        >
          <Select.Popup className="max-h-[min(26rem,var(--available-height))] w-[min(24rem,calc(100vw-1.5rem))] origin-(--transform-origin) overflow-y-auto rounded-xl border border-line bg-raised p-1 shadow-pop transition-[opacity,scale] duration-150 ease-swell focus-visible:outline-none data-ending-style:scale-97 data-ending-style:opacity-0 data-starting-style:scale-97 data-starting-style:opacity-0">
            {!data?.models.length && (
              <p className="px-3 py-2 text-sm text-muted">
                {error ? errorMessage(error) : 'No model is installed yet.'}
              </p>
            )}
            <Select.List>
              {data?.models.map((model) => (
                <ModelOption key={model.id} model={model} isDefault={model.id === data.default} />
              ))}
              {data?.can_change && <ManageOption downloads={downloads} />}
            </Select.List>
          </Select.Popup>
        </Select.Positioner>
      </Select.Portal>
    </Select.Root>
  );
  return (
    <>
      {picker}
      <ModelsDialog open={managing} onOpenChange={setManaging} downloads={downloads} />
    </>
  );
}

/** Opens the dialog instead of choosing anything. */
function ManageOption({ downloads }: { downloads: readonly Job[] }) {
  const running = downloads.find(({ status }) => status === 'running');
  return (
    <Select.Item
      value={MANAGE}
      className="mt-1 flex cursor-pointer items-center gap-2 rounded-lg border-t border-line px-3 py-2 text-sm text-muted outline-none data-highlighted:bg-hover data-highlighted:text-ink"
    >
      <Download className="size-4 shrink-0" aria-hidden="true" />
      <Select.ItemText className="min-w-0 flex-1 truncate">
        {running ? `Downloading ${running.model}` : 'Get and manage models…'}
      </Select.ItemText>
      {running && <span className="text-xs tabular">{donePercent(running) ?? 0} %</span>}
    </Select.Item>
  );
}

function ModelOption({ model, isDefault }: { model: Model; isDefault: boolean }) {
  return (
    <Select.Item
      value={model.id}
      className="grid cursor-pointer grid-cols-[1fr_auto] gap-x-3 rounded-lg px-3 py-2 outline-none data-highlighted:bg-hover"
    >
      <div className="flex min-w-0 items-center gap-2 text-sm font-medium">
        <Select.ItemText className="truncate">{model.id}</Select.ItemText>
        {isDefault && <Badge>default</Badge>}
        {model.loaded && <Badge className="bg-accent-soft text-accent">in memory</Badge>}
      </div>
      <Select.ItemIndicator className="self-center text-accent">
        <Check className="size-4" aria-hidden="true" />
      </Select.ItemIndicator>
      <div className="col-start-1 text-xs text-muted tabular">{modelFacts(model)}</div>
      {model.description && <div className="col-start-1 mt-0.5 text-xs text-muted">{model.description}</div>}
    </Select.Item>
  );
}

function Badge({ className, children }: { className?: string; children: string }) {
  return (
    <span className={cn('shrink-0 rounded-full bg-hover px-1.5 text-2xs font-medium text-muted', className)}>
      {children}
    </span>
  );
}
