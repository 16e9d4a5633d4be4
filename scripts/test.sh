#!/usr/bin/env bash
# Everything that CI runs, with the development profile throughout, so that cargo compiles one set of dependencies.
# It stops at the first part that fails.
source "$(dirname "$0")/check.sh"

# `sdk_python FILE`: the tests in one file, against the program that was just built.
sdk_python() {
  local programs
  programs=$(scripts/python.sh -r server/tests/sdk/python/requirements.txt)
  "$programs/python3" "server/tests/sdk/python/$1"
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
part 'openai for Python' sdk_python test_openai.py
part 'openai for Python: forms' sdk_python test_openai_forms.py
part 'openai for Python: other paths' sdk_python test_openai_paths.py
part 'ollama for Python' sdk_python test_ollama.py
part 'LangChain' sdk_python test_langchain.py
part 'Schemathesis' sdk_python fuzz_schema.py
part 'openai, ollama and the AI SDK for Node.js' sdk_node
