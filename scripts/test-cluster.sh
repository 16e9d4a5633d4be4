#!/usr/bin/env bash
# On the cluster that KUBECONFIG names: tests of the cluster crate, a deploy by clicks in the real window, then the k3d
# overlay as people use it, through its ingress at CLUSTER_URL (http://127.0.0.1). It empties the namespace llm-as-a-service.
# It takes cargo, kubectl, a Traefik, a default storage class, and nodes that have the images already:
#   scripts/images.sh assemble && k3d image import --cluster NAME $(scripts/images.sh names)
# ROLLOUTS rolling updates under load (1) in each of two parts; SCALING=no leaves the autoscaler's two parts out, minutes each.
# What is deployed stays, to be looked at. After SCALING=no `kubectl delete namespace llm-as-a-service` takes it away, else
#   kubectl delete --ignore-not-found --kustomize k8s/overlays/queue-autoscaler
# because no namespace ends while that overlay's APIService has nobody behind it.
source "$(dirname "$0")/env.sh"
source scripts/parts.sh

url=${CLUSTER_URL:-http://127.0.0.1}
in_namespace() { kubectl --namespace llm-as-a-service "$@"; }

# The chats of update_under_load, which a failed rollout would leave running for an hour.
streams=
end_streams() { if [[ -n $streams ]]; then kill -KILL "$streams" || true; fi; }
trap 'close_parts; end_streams' EXIT

reachable() {
  command -v kubectl >/dev/null || give_up 'kubectl is missing: install it, then run this again.'
  kubectl get --raw /readyz >/dev/null || give_up 'The cluster does not answer: KUBECONFIG must name one that does.'
  kubectl get storageclass --output name | grep -q . || give_up 'The cluster has no storage class, so PostgreSQL would wait for its volume for ever.'
  kubectl version
}

# The last run may have made its backends a part of the API server's discovery. Without them that fails, and no namespace ends
# any more, so this goes before any namespace does. By the label, because the object may be KEDA's or another adapter's.
leave_discovery() { kubectl delete apiservices --selector app.kubernetes.io/part-of=flotilla; }

# The API server itself looks at every object, under the same pod security, and stores none but the namespace: one of its
# own, because what is installed already has fields that no other overlay may change.
dry_run() {
  local overlay warnings
  elsewhere <k8s/base/namespace/namespace.yaml | kubectl apply --filename -
  warnings=$(mktemp)
  for overlay in k3d queue-autoscaler ollama-host gpu gpu/vllm cloud observability; do
    # GKE adds kinds that no other cluster knows.
    scripts/kustomize.sh "k8s/overlays/$overlay" | without_gke | elsewhere |
      kubectl apply --dry-run=server --filename - 2>"$warnings" >/dev/null || { cat "$warnings"; give_up "$overlay is refused."; }
    # Of the class annotation Kubernetes warns everybody, and GKE reads nothing else.
    if grep --invert-match 'annotation "kubernetes.io/ingress.class" is deprecated' "$warnings"; then
      give_up "$overlay: the API server warns."
    fi
    printf '%s: accepted, 0 warnings\n' "$overlay"
  done
  rm "$warnings"
  kubectl delete namespace flotilla-dry-run --wait=false
}

elsewhere() { sed 's/\bllm-as-a-service\b/flotilla-dry-run/'; }

without_gke() { awk 'BEGIN { RS = "---\n"; ORS = RS } !/^apiVersion: (cloud\.google\.com|networking\.gke\.io)\//'; }

# What the window leaves is what is used from here on.
deploy_by_clicks() {
  kubectl delete namespace llm-as-a-service --ignore-not-found
  with_desktop cargo test --locked --workspace --test cluster-window a_few_clicks
}

install() {
  kubectl apply --kustomize k8s/overlays/k3d
  in_namespace rollout status statefulset/postgres --timeout 180s
  in_namespace rollout status deployment/backend --timeout 300s
  in_namespace rollout status deployment/frontend --timeout 120s
}

# Installing again must not touch what the autoscaler owns.
install_again() {
  local before after
  before=$(in_namespace get deployment backend --output jsonpath='{.spec.replicas} {.metadata.generation}')
  kubectl apply --kustomize k8s/overlays/k3d >/dev/null
  after=$(in_namespace get deployment backend --output jsonpath='{.spec.replicas} {.metadata.generation}')
  [[ $before == "$after" ]] || give_up "Replicas and generation were $before and are $after."
  echo "replicas and generation: $after"
}

autoscaler() {
  in_namespace wait --for condition=ScalingActive --timeout 120s horizontalpodautoscaler/backend
  in_namespace get horizontalpodautoscaler backend
}

pages() {
  curl --fail --silent --show-error "$url/" | grep --quiet '<title>Flotilla</title>'
  curl --fail --silent --show-error "$url/chat/of-nobody" | grep --quiet '<title>Flotilla</title>'
  local script
  script=$(curl --silent "$url/" | grep --only-matching '/assets/[^"]*\.js' | head -1)
  curl --fail --silent --output /dev/null --dump-header - "$url$script" | grep --ignore-case immutable
  curl --silent --output /dev/null --dump-header - "$url/" | grep --ignore-case content-security-policy
}

# Metrics and readiness are for the cluster alone; through the ingress these paths are the UI's.
hidden() {
  local path
  for path in /metrics /readyz; do
    curl --silent "$url$path" | grep --quiet '<title>Flotilla</title>' || give_up "$path can be read from outside."
  done
}

streamed() {
  local report
  report=$(scripts/streams.py "$url" --streams 1 --tokens 128)
  echo "$report"
  python3 - "$report" <<'PYTHON'
import json, sys

report = json.loads(sys.argv[1])
assert report["pieces_median"] >= 20, "the answer came in too few pieces"
assert report["first_to_last_piece_seconds_median"] >= 0.2, "the answer came all at once"
PYTHON
}

# 50 chats go on through all of the updates.
update_under_load() { # update_under_load API
  local ending round
  scripts/streams.py "$url" --api "$1" --streams 50 --seconds 3600 &
  streams=$!
  for ((round = 1; round <= ${ROLLOUTS:-1}; round++)); do
    in_namespace rollout restart deployment/backend
    in_namespace rollout status deployment/backend --timeout 600s
  done
  ending=$streams streams=
  kill -TERM "$ending"
  wait "$ending"
}

# A pod is killed while it answers: every answer is written to its end by another.
drill() {
  cargo build --locked --workspace --example failure-drill
  "$TARGET/debug/examples/failure-drill" llm-as-a-service "$url"
}

# By CPU as it was installed, before the eyes of the window; then by the queue. A ConfigMap is read at a pod's start.
scale_by_cpu() { with_desktop cargo test --locked --workspace --test cluster-window the_chart -- --nocapture; }

scale_by_the_queue() {
  kubectl apply --kustomize k8s/overlays/queue-autoscaler
  in_namespace rollout restart deployment/backend
  in_namespace rollout status deployment/backend --timeout 600s
  until kubectl get --raw "/apis/external.metrics.k8s.io/v1beta1/namespaces/llm-as-a-service/flotilla_queue_depth"; do sleep 1; done
  in_namespace wait --for condition=ScalingActive --timeout 120s horizontalpodautoscaler/backend
  scripts/scaling.py "$url"
}

part 'cluster' reachable
part 'what the last run left' leave_discovery
part 'the library on the cluster' cargo test --locked --workspace --test cluster-deploy --test cluster-live -- --test-threads 4
part 'server dry-run of every overlay' dry_run
part 'deploy by clicks in the window' deploy_by_clicks
part 'install' install
part 'install again' install_again
part 'autoscaler' autoscaler
part 'pages' pages
part 'inside only' hidden
part 'streamed chat' streamed
part 'chat in Chromium' env CLUSTER_URL="$url" npm --prefix src-ui run e2e:deployed
part 'a pod is killed while it answers' drill
part 'rolling update, 50 runs' update_under_load runs
part 'rolling update, 50 /v1 streams' update_under_load v1
if [[ ${SCALING:-yes} == no ]]; then
  printf '\nLeft out, for SCALING=no: two, four, two replicas by CPU and by the queue.\n'
else
  part 'two, four, two replicas by CPU' scale_by_cpu
  part 'two, four, two replicas by the queue' scale_by_the_queue
fi
