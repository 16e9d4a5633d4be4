import { describe, expect, it } from 'vitest';

import type { DeployOptions } from '@/platform/cluster-types';

import { k3dUrl, optionProblems } from './options';

const options: DeployOptions = {
  target: { kind: 'k3d', name: 'flotilla', agents: 0, http_port: 80 },
  overlay: 'k3d',
  images: { kind: 'build' },
  load_command: null,
  url: 'http://localhost',
};

describe('deploy options', () => {
  it('have no problem when they come from the app', () => {
    expect(optionProblems(options)).toEqual({});
  });

  it.each(['', 'Flotilla', '-x', 'x-', 'a b', 'x'.repeat(40)])('refuse %j as a cluster name', (name) => {
    expect(
      optionProblems({ ...options, target: { kind: 'k3d', name, agents: 0, http_port: 80 } }),
    ).toHaveProperty('name');
  });

  it.each([0, 65_536, 80.5, Number.NaN])('refuse port %d', (http_port) => {
    expect(
      optionProblems({ ...options, target: { kind: 'k3d', name: 'x', agents: 0, http_port } }),
    ).toHaveProperty('http_port');
  });

  it('need a prefix for images from a registry', () => {
    expect(optionProblems({ ...options, images: { kind: 'registry', prefix: ' ' } })).toHaveProperty(
      'prefix',
    );
  });

  it('need a web address to probe', () => {
    expect(optionProblems({ ...options, url: 'localhost' })).toHaveProperty('url');
    expect(optionProblems({ ...options, url: 'ftp://localhost' })).toHaveProperty('url');
  });

  it('leave the port out of the address when it is the usual one', () => {
    expect([k3dUrl(80), k3dUrl(8081)]).toEqual(['http://localhost', 'http://localhost:8081']);
  });
});
