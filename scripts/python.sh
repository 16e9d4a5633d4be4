#!/usr/bin/env bash
# Prints the folder of the programs of a Python environment that holds the given packages, which pip takes as arguments:
# `scripts/python.sh -r requirements.txt`. An environment is made once for each list and Python version.
source "$(dirname "$0")/env.sh"

contents=$(python3 --version; for argument in "$@"; do if [[ -f $argument ]]; then cat "$argument"; else echo "$argument"; fi; done)
environment=$CACHE/python-$(sha256sum <<<"$contents" | cut -c1-16)

if [[ ! -f $environment/complete ]]; then
  rm -rf "$environment"
  mkdir -p "$CACHE"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
  touch "$environment/complete"
fi
echo "$environment/bin"
