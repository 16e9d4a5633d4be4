import { Skeleton } from '@/components/ui/skeleton';

export function Loading({ what }: { what: string }) {
  return (
    <div role="status" className="mx-auto w-full max-w-[64rem] space-y-4 px-3 py-6 sm:px-6">
      <p className="text-sm text-muted">{what}</p>
      <Skeleton className="h-20 w-full rounded-xl" />
      <Skeleton className="h-48 w-full rounded-xl" />
      <Skeleton className="h-4 w-2/3" />
    </div>
  );
}
