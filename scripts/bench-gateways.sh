#!/usr/bin/env bash
# Flotilla beside other gateways: makes a Python environment for each that comes from PyPI, then measures all that are there.
# Arguments go to `flotilla-bench gateway`. nginx is taken if it is installed: Debian's package would start a web server.
source "$(dirname "$0")/env.sh"

for requirements in bench/gateways/*.txt; do
  # Behind the rest of PATH: each of these folders has a python3 too.
  if programs=$(scripts/python.sh -r "$requirements"); then PATH=$PATH:$programs; else say "$requirements: does not install here"; fi
done
PATH=$PATH:/usr/sbin

exec "$TARGET/release/flotilla-bench" gateway "$@"
