import { afterEach, expect, it } from 'vitest';

import { repairLanguage } from './language';

const speak = (language: string) =>
  Object.defineProperty(navigator, 'language', { value: language, configurable: true });

afterEach(() => Reflect.deleteProperty(navigator, 'language'));

it('replaces the language of a system that has none', () => {
  speak('C');
  repairLanguage();
  expect(() => new Intl.NumberFormat(navigator.language)).not.toThrow();
});

it("leaves the reader's language alone", () => {
  speak('de-CH');
  repairLanguage();
  expect(navigator.language).toBe('de-CH');
});
