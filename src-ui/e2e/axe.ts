import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

/**
 * WCAG 2.2 AA, as far as axe can tell; what it finds while the page is still being drawn does not count. A failure names the
 * `look` of the page, where a test has several.
 */
export async function expectNothingFound(page: Page, look = 'the page'): Promise<void> {
  const check = new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']);
  const found = async () => {
    const { violations } = await check.analyze();
    return violations.map(({ id: rule, nodes }) => ({
      rule,
      at: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
    }));
  };
  await expect.poll(found, { message: look }).toEqual([]);
}
