import { Radio } from '@base-ui/react/radio';
import { RadioGroup } from '@base-ui/react/radio-group';
import { Monitor, Moon, Sun } from 'lucide-react';

import { THEMES, useTheme, type Theme } from './theme';

const LOOKS: Record<Theme, { label: string; icon: typeof Sun }> = {
  system: { label: 'System', icon: Monitor },
  light: { label: 'Light', icon: Sun },
  dark: { label: 'Dark', icon: Moon },
};

export function ThemeChoice() {
  const { theme, setTheme } = useTheme();
  return (
    <RadioGroup
      aria-labelledby="theme-label"
      value={theme}
      onValueChange={(value) => setTheme(value)}
      className="grid grid-cols-3 gap-1 rounded-xl bg-sunken p-1"
    >
      {THEMES.map((value) => {
        const { label, icon: Icon } = LOOKS[value];
        return (
          <Radio.Root
            key={value}
            value={value}
            className="flex h-9 cursor-pointer items-center justify-center gap-2 rounded-lg text-sm text-muted transition-colors duration-150 hover:text-ink data-checked:bg-raised data-checked:font-medium data-checked:text-ink data-checked:shadow-rest"
          >
            <Icon className="size-4" aria-hidden="true" />
            {label}
          </Radio.Root>
        );
      })}
    </RadioGroup>
  );
}
