import type { SortKey } from './sort';

interface Column {
  key: SortKey | 'why' | 'actions';
  title: string;
  /** Hidden where the table is narrow; what matters of it is then said under the name. */
  className?: string;
  end?: boolean;
}

export const COLUMNS: readonly Column[] = [
  { key: 'name', title: 'Pod' },
  { key: 'state', title: 'State' },
  { key: 'why', title: 'Why not ready', className: 'hidden @2xl:block' },
  { key: 'restarts', title: 'Restarts', className: 'hidden @2xl:block', end: true },
  { key: 'cpu', title: 'CPU of request', className: 'hidden @md:block', end: true },
  { key: 'memory', title: 'Memory', className: 'hidden @xl:block', end: true },
  { key: 'node', title: 'Node', className: 'hidden @4xl:block' },
  { key: 'age', title: 'Age', className: 'hidden @lg:block', end: true },
  { key: 'actions', title: 'Actions' },
];

/** The widths that belong to the columns in sight. */
export const GRID =
  'grid items-center gap-x-3 grid-cols-[minmax(0,1fr)_5rem_1.75rem] @md:grid-cols-[minmax(0,1fr)_5rem_6.5rem_1.75rem] @lg:grid-cols-[minmax(0,1fr)_5rem_6.5rem_2.5rem_1.75rem] @xl:grid-cols-[minmax(0,1fr)_5rem_6.5rem_4.5rem_2.5rem_1.75rem] @2xl:grid-cols-[minmax(8rem,1fr)_5rem_minmax(8rem,1.5fr)_4.25rem_6.5rem_4.5rem_2.5rem_1.75rem] @4xl:grid-cols-[minmax(9rem,1fr)_5rem_minmax(9rem,1.3fr)_4.25rem_6.5rem_4.5rem_minmax(6rem,0.9fr)_2.5rem_1.75rem]';
