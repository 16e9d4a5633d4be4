import type { Model } from '@/api/types';
import { formatBytes, formatContextLength, formatWeights } from '@/lib/format';

/** What a model is, in a line: `135M · Q4_1 · 98 MB · 2K context`. */
export function modelFacts(model: Model): string {
  const facts = [
    model.parameters === null ? null : formatWeights(model.parameters),
    model.quantization,
    model.size_bytes === null ? null : formatBytes(model.size_bytes),
    model.context_length === null ? null : `${formatContextLength(model.context_length)} context`,
    ENGINES[model.engine],
  ];
  return facts.filter((fact) => fact !== null).join(' · ');
}

const ENGINES: Record<Model['engine'], string | null> = {
  local: null,
  ollama: 'Ollama',
  openai: 'remote server',
  scripted: 'scripted answers',
};
