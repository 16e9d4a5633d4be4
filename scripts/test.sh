#!/usr/bin/env bash
# Everything that CI runs, with the development profile throughout, so that cargo compiles one set of dependencies.
# It stops at the first part that fails.
source "$(dirname "$0")/check.sh"

sdk_python() {
  local programs
  programs=$(scripts/python.sh -r server/tests/sdk/python/requirements.txt)
  "$programs/python3" server/tests/sdk/python/test_openai.py
}

sdk_node() {
  npm --prefix server/tests/sdk/node ci --no-audit --no-fund
  npm --prefix server/tests/sdk/node test
}

# What is tested from outside is this one binary.
FLOTILLA_BIN=$(realpath "$TARGET")/debug/flotilla
export FLOTILLA_BIN

part 'Rust' with_desktop cargo test --locked --workspace
part 'Rust, the API on PostgreSQL' scripts/with-postgres.sh cargo test --locked --workspace --test api
part 'Rust, replicas on PostgreSQL' scripts/with-postgres.sh cargo test --locked --workspace --test process takeover
part 'UI' npm --prefix src-ui test
part 'UI in a browser' npm --prefix src-ui run e2e
part 'openai for Python' sdk_python
part 'openai for Node.js' sdk_node
