import { render } from '@testing-library/react';
import { expect, it } from 'vitest';

import { Snippet } from './snippet';

const draw = (text: string) => render(<Snippet text={text} />).container;

it('marks each hit and keeps the rest', () => {
  const container = draw('a \u0002boat\u0003 and a \u0002boat\u0003house <b>');
  expect(Array.from(container.querySelectorAll('mark'), (mark) => mark.textContent)).toEqual([
    'boat',
    'boat',
  ]);
  expect(container).toHaveTextContent('a boat and a boathouse <b>');
});

it('shows a snippet whose marks are cut off', () => {
  expect(draw('end of a \u0002bo')).toHaveTextContent('end of a bo');
});
