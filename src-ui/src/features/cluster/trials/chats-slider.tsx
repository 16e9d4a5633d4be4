import { Slider } from '@/components/ui/slider';

interface ChatsSliderProps {
  label: string;
  value: number;
  max: number;
  disabled: boolean;
  onChange: (chats: number) => void;
}

/** How many chats a trial holds at once. */
export function ChatsSlider({ label, value, max, disabled, onChange }: ChatsSliderProps) {
  return (
    <>
      <div className="mb-1 flex justify-between text-sm">
        <span>Chats at once</span>
        <span className="font-semibold tabular">{value}</span>
      </div>
      <Slider label={label} value={value} min={1} max={max} disabled={disabled} onChange={onChange} />
    </>
  );
}
