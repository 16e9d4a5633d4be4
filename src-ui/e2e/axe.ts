import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

/** WCAG 2.2 AA, as far as axe can tell. A failure names the `look` of the page, where a test has several. */
export async function expectNothingFound(page: Page, look?: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  const found = violations.map(({ id: rule, nodes }) => ({ rule, at: nodes.map((node) => node.html) }));
  expect(found, look).toEqual([]);
}
