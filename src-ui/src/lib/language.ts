import { LOCALE } from './format';

/**
 * Gives the page a language where the system has none. WebKit calls that "C", which no part of Intl takes: uPlot, which
 * makes a number format as it is loaded, would take the Cluster tab down with it.
 */
export function repairLanguage(): void {
  try {
    Intl.getCanonicalLocales(navigator.language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: LOCALE, configurable: true });
  }
}
