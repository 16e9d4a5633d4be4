import type { Context, Contexts } from '../../../src/platform/cluster-types';

const K3D: Context = {
  id: { file: '/home/ada/.kube/config', name: 'k3d-flotilla' },
  cluster: 'k3d-flotilla',
  user: 'admin@k3d-flotilla',
  namespace: null,
  server: 'https://127.0.0.1:6550',
  is_current: true,
  is_local: true,
  k3d_cluster: 'flotilla',
  exec: null,
  problem: null,
};

export const REMOTE: Context = {
  ...K3D,
  id: { file: '/home/ada/.kube/config', name: 'gke_harbour_europe-west4_production' },
  cluster: 'production',
  user: 'ada@example.org',
  namespace: 'default',
  server: 'https://203.0.113.7',
  is_current: false,
  is_local: false,
  k3d_cluster: null,
  exec: {
    command: 'gke-gcloud-auth-plugin',
    arguments: ['--project', 'harbour', '--note', 'two words; rm -rf ~'],
    environment: ['CLOUDSDK_CONFIG=/home/ada/.config/gcloud'],
    fingerprint: '9f2b7c41d07e55aa1b3c',
    trusted: false,
  },
};

const BROKEN: Context = {
  ...K3D,
  id: { file: '/home/ada/Downloads/old.yaml', name: 'attic' },
  server: 'https://192.0.2.9:6443',
  is_current: false,
  is_local: false,
  k3d_cluster: null,
  problem: 'Its user “attic” is not in the file. Ask whoever gave it to you for a complete one.',
};

export const CONTEXTS: Contexts = {
  contexts: [K3D, REMOTE, BROKEN],
  chosen: K3D.id,
  problems: [
    {
      file: '/home/ada/Downloads/huge.yaml',
      message: 'It is larger than 1 MB, which no kubeconfig is. It was not read.',
    },
  ],
};

export const NOTHING_CHOSEN: Contexts = { ...CONTEXTS, chosen: null };

export const REMOTE_CHOSEN: Contexts = {
  ...CONTEXTS,
  contexts: [K3D, { ...REMOTE, exec: null }, BROKEN],
  chosen: REMOTE.id,
};
