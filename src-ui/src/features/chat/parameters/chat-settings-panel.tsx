import { useId } from 'react';

import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Textarea } from '@/components/ui/input';
import type { Parameters } from '@/api/types';

import { ChangedMark } from './changed-mark';
import { changedSettings, type ChatSettings } from './new-chat-settings';
import { NumberField } from './number-field';
import { NUMBER_PARAMETERS } from './parameter-list';
import { StopField } from './stop-field';

interface ChatSettingsPanelProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  settings: Pick<ChatSettings, 'system_prompt' | 'parameters'>;
  onChange: (change: Partial<ChatSettings>) => void;
}

/** The system prompt and the sampling parameters of one chat. What is left empty follows the model's defaults. */
export function ChatSettingsPanel({ open, onOpenChange, settings, onChange }: ChatSettingsPanelProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      placement="right"
      title="Chat settings"
      description="For this chat only, from the next answer on."
    >
      <Fields settings={settings} onChange={onChange} />
    </Dialog>
  );
}

function Fields({ settings, onChange }: Pick<ChatSettingsPanelProps, 'settings' | 'onChange'>) {
  const promptId = useId();
  const { system_prompt, parameters } = settings;
  const changed = changedSettings(settings);

  const setParameter = <Name extends keyof Parameters>(name: Name, value: Parameters[Name] | null) => {
    onChange({ parameters: { ...parameters, [name]: value } });
  };

  return (
    <>
      <div className="flex-1 space-y-5 overflow-y-auto px-5 pb-6">
        <div>
          <label htmlFor={promptId} className="mb-1.5 flex items-center gap-1.5 text-sm">
            System prompt
            {system_prompt && (
              <ChangedMark label="System prompt" onReset={() => onChange({ system_prompt: null })} />
            )}
          </label>
          <Textarea
            id={promptId}
            rows={5}
            placeholder="How the model should behave, for example: Answer in one short paragraph."
            value={system_prompt ?? ''}
            onChange={(event) => onChange({ system_prompt: event.currentTarget.value || null })}
          />
        </div>
        {NUMBER_PARAMETERS.map((info) => (
          <NumberField
            key={info.name}
            info={info}
            value={parameters[info.name] ?? null}
            onChange={(value) => setParameter(info.name, value)}
          />
        ))}
        <StopField
          key={String(parameters.stop === undefined)}
          value={parameters.stop ?? []}
          onChange={(value) => setParameter('stop', value)}
        />
      </div>
      <footer className="flex items-center justify-between gap-3 border-t border-line px-5 py-3 text-sm text-muted">
        {changed === 0 ? 'All defaults' : `${changed} changed`}
        <Button
          size="sm"
          disabled={changed === 0}
          onClick={() => onChange({ system_prompt: null, parameters: {} })}
        >
          Reset all
        </Button>
      </footer>
    </>
  );
}
