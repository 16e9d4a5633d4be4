import { Code, Lightbulb, ListChecks, PenLine } from 'lucide-react';

import type { Model } from '@/api/types';
import { Logo } from '@/components/logo';

const STARTERS = [
  {
    icon: Lightbulb,
    title: 'Explain something',
    prompt: 'Why do boats float, even when they are made of steel? Explain it to a curious ten-year-old.',
  },
  {
    icon: PenLine,
    title: 'Help me write',
    prompt: 'Write a short, friendly e-mail that moves our Thursday meeting to Friday morning.',
  },
  {
    icon: Code,
    title: 'Write some code',
    prompt: 'Write a Python function that groups a list of words by their first letter, with an example.',
  },
  {
    icon: ListChecks,
    title: 'Make a plan',
    prompt: 'Plan a relaxed weekend in a harbour town: three things for each day, as a list.',
  },
] as const;

interface WelcomeProps {
  /** The model that will answer. */
  model: Model | null;
  onPick: (prompt: string) => void;
}

export function Welcome({ model, onPick }: WelcomeProps) {
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-y-auto px-4 sm:px-6">
      <div className="m-auto w-full max-w-[46rem] animate-arrive py-8">
        <Logo className="size-11 text-accent" />
        <p className="mt-4 text-2xl font-semibold tracking-[-0.02em] sm:text-[1.75rem]">
          Where shall we set sail?
        </p>
        <p className="mt-1.5 max-w-xl text-pretty text-muted">
          {model?.description ?? 'Ask anything below, or begin with one of these.'}
        </p>
        <ul className="mt-7 grid gap-2.5 sm:grid-cols-2">
          {STARTERS.map(({ icon: Icon, title, prompt }) => (
            <li key={title}>
              <button
                type="button"
                onClick={() => onPick(prompt)}
                className="group flex h-full w-full gap-3 rounded-xl border border-line bg-raised p-3.5 text-start text-sm transition-[border-color,box-shadow] duration-150 hover:border-accent hover:shadow-rest"
              >
                <Icon className="mt-0.5 size-4 shrink-0 text-accent" aria-hidden="true" />
                <span>
                  <span className="block font-medium">{title}</span>
                  <span className="mt-0.5 line-clamp-2 text-muted">{prompt}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
