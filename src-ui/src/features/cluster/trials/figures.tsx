/** A few numbers side by side. What is not known is a dash. */
export function Figures({
  figures,
}: {
  figures: readonly (readonly [name: string, value: string | null])[];
}) {
  return (
    <dl className="grid grid-cols-2 gap-x-4 gap-y-3 @lg:grid-cols-4">
      {figures.map(([name, value]) => (
        <div key={name} className="min-w-0">
          <dt className="truncate text-xs text-muted">{name}</dt>
          <dd className="truncate text-lg font-semibold tracking-tight tabular">{value ?? '–'}</dd>
        </div>
      ))}
    </dl>
  );
}
