import type { Change, Teardown } from '../../../src/platform/cluster-types';
import { NAMESPACE } from './scene';

const HPA_DIFF = `--- cluster
+++ wanted
@@ -14,7 +14,7 @@
   metrics:
   - resource:
       name: cpu
       target:
-        averageUtilization: 80
+        averageUtilization: 50
         type: Utilization
     type: Resource
   minReplicas: 2
-  maxReplicas: 3
+  maxReplicas: 4
`;

const CREATED = `--- cluster
+++ wanted
@@ -0,0 +1,9 @@
+apiVersion: v1
+kind: ConfigMap
+metadata:
+  name: backend
+  namespace: ${NAMESPACE}
+data:
+  MAX_CONTEXT_MESSAGES: "20"
+  MODEL_NAME: smollm2:135m
+  OLLAMA_URL: ""
`;

const change = (kind: string, name: string, part: Partial<Change> = {}): Change => ({
  kind,
  name,
  namespace: NAMESPACE,
  action: 'same',
  diff: null,
  conflict: null,
  ...part,
});

export const CHANGES: Change[] = [
  change('ConfigMap', 'backend', { action: 'create', diff: CREATED }),
  change('HorizontalPodAutoscaler', 'backend', { action: 'change', diff: HPA_DIFF }),
  change('Deployment', 'frontend', {
    action: 'change',
    diff: '--- cluster\n+++ wanted\n@@ -21,3 +21,3 @@\n       containers:\n-      - image: flotilla-frontend:0.0.9\n+      - image: flotilla-frontend:0.1.0\n         name: frontend\n',
  }),
  change('Deployment', 'backend'),
  change('Service', 'backend'),
  change('Service', 'frontend'),
  change('Ingress', 'flotilla'),
  change('StatefulSet', 'postgres'),
];

export const TEARDOWN: Teardown = {
  remove: CHANGES.map(({ kind, name, namespace }) => ({ kind, name, namespace })),
  keep: [
    {
      object: { kind: 'PersistentVolumeClaim', name: 'data-postgres-0', namespace: NAMESPACE },
      why: 'It holds the chats. Delete it by hand when they may go.',
    },
  ],
  commands: ['kubectl delete -k k8s/overlays/k3d'],
};
