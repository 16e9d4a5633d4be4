import { Logo } from '@/components/logo';

export function ClusterPanel() {
  return (
    <div className="flex h-full flex-col items-center justify-center px-8 text-center">
      <Logo className="size-14 text-line-strong" />
      <h1 className="mt-5 text-xl font-semibold tracking-tight">No cluster yet</h1>
      <p className="mt-2 max-w-sm text-muted">
        This is where you will deploy Flotilla to a Kubernetes cluster and watch it scale; it is not built
        yet.
      </p>
    </div>
  );
}
