#!/usr/bin/env bash
# The measurements of the README's tables: the server beside llama.cpp, then the page in Chromium.
source "$(dirname "$0")/env.sh"

"$TARGET/release/flotilla-bench"

FLOTILLA_BIN=$(realpath "$TARGET")/release/flotilla
export FLOTILLA_BIN
npm --prefix src-ui run --silent bench

# What a browser loads before it shows anything: the scripts that the page names.
total=0
while read -r script; do
  total=$((total + $(gzip --best --stdout "src-ui/dist/$script" | wc -c)))
done < <(grep --only-matching 'assets/[^"]*\.js' src-ui/dist/index.html | sort --unique)
printf 'initial JavaScript, gzipped: %s kB (budget 250)\n' "$((total / 1000))"
