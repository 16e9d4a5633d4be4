#!/usr/bin/env bash
# Writes what is generated from the Rust types: the same tests that find a stale file in the tree write it anew.
source "$(dirname "$0")/env.sh"

# The window's program has the page inside. The page may not compile before its types are there, so any will do.
page=src-ui/dist-desktop
if [[ ! -d $page ]]; then
  mkdir "$page"
  trap 'rm -rf "$page"' EXIT
fi

UPDATE_TYPES=1 cargo test --locked --quiet --workspace in_the_tree
src-ui/node_modules/.bin/openapi-typescript src-ui/openapi.json --output src-ui/src/api/schema.ts
