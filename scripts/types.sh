#!/usr/bin/env bash
# Writes what is generated from the Rust types: the same tests that find a stale file in the tree write it anew.
source "$(dirname "$0")/env.sh"

UPDATE_TYPES=1 cargo test --locked --quiet --workspace in_the_tree
src-ui/node_modules/.bin/openapi-typescript src-ui/openapi.json --output src-ui/src/api/schema.ts
