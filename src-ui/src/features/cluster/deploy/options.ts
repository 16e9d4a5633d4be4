import type { DeployOptions } from '@/platform/cluster-types';

export type OptionField = 'name' | 'agents' | 'http_port' | 'prefix' | 'url';

/** What k3d takes as a cluster's name. */
const CLUSTER_NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const MAX_AGENTS = 8;
const MAX_PORT = 65_535;

/** What is wrong with the options, by field, in words. */
export function optionProblems(options: DeployOptions): Partial<Record<OptionField, string>> {
  const problems: Partial<Record<OptionField, string>> = {};
  const { target, images, url } = options;
  if (target.kind === 'k3d') {
    if (!CLUSTER_NAME.test(target.name)) {
      problems.name = 'Use up to 32 lower-case letters, digits and hyphens.';
    }
    if (!isWhole(target.agents, 0, MAX_AGENTS)) problems.agents = `Enter 0 to ${MAX_AGENTS}.`;
    if (!isWhole(target.http_port, 1, MAX_PORT)) problems.http_port = `Enter 1 to ${MAX_PORT}.`;
  }
  if (images.kind === 'registry' && images.prefix.trim() === '') {
    problems.prefix = 'Enter the part before /flotilla-backend.';
  }
  if (!isWebAddress(url)) problems.url = 'Enter an address that starts with http:// or https://.';
  return problems;
}

/** k3d publishes Traefik on the chosen port, so the address follows it. */
export function k3dUrl(port: number): string {
  return port === 80 ? 'http://localhost' : `http://localhost:${port}`;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text.trim()) && ['http:', 'https:'].includes(new URL(text.trim()).protocol);
}
