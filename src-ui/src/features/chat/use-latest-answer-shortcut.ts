import { useEffect } from 'react';

/** Alt+↑ moves the focus to the latest answer, to read it from there. */
export function useLatestAnswerShortcut(): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (!event.altKey || event.key !== 'ArrowUp') return;
      event.preventDefault();
      const answers = document.querySelectorAll<HTMLElement>('article[data-role="assistant"]');
      if (answers.length > 0) answers.item(answers.length - 1).focus();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);
}
