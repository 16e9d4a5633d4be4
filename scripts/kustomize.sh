#!/usr/bin/env bash
# Prints what a folder composes to: `scripts/kustomize.sh k8s/overlays/k3d`. Any kustomize or kubectl at hand does it; where
# there is none, kustomize is compiled once into the cache.
source "$(dirname "$0")/env.sh"

version=v5.7.1
compiled=$CACHE/kustomize-$version/kustomize

if command -v kustomize >/dev/null; then exec kustomize build "$@"; fi
if command -v kubectl >/dev/null; then exec kubectl kustomize "$@"; fi
if [[ ! -x $compiled ]]; then
  command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
  command -v go >/dev/null || give_up 'kustomize is missing: install kubectl, kustomize or Go (1.24 or newer), then run this again.'
  say "Compiling kustomize $version"
  GOBIN=$(dirname "$compiled") CGO_ENABLED=0 go install "sigs.k8s.io/kustomize/kustomize/v5@$version" ||
    give_up 'kustomize could not be compiled. Check the network, then run this again.'
fi
exec "$compiled" build "$@"
