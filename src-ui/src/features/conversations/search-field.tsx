import { Search, X } from 'lucide-react';
import type { Ref } from 'react';

import { IconButton } from '@/components/ui/icon-button';
import { Input } from '@/components/ui/input';

interface SearchFieldProps {
  value: string;
  onChange: (value: string) => void;
  ref?: Ref<HTMLInputElement>;
}

export function SearchField({ value, onChange, ref }: SearchFieldProps) {
  return (
    <search className="relative block">
      <Search
        className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-muted"
        aria-hidden="true"
      />
      <Input
        ref={ref}
        type="text"
        inputMode="search"
        aria-label="Search chats"
        placeholder="Search chats"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape' && value) {
            event.stopPropagation();
            onChange('');
          }
        }}
        className="border-transparent bg-hover/70 pr-8 pl-8"
      />
      {value && (
        <IconButton
          label="Clear search"
          size="sm"
          onClick={() => onChange('')}
          className="absolute top-1 right-1"
        >
          <X />
        </IconButton>
      )}
    </search>
  );
}
