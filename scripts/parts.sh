# Sourced: runs a job part by part, names the part that fails, and closes with a line that counts them.
# shellcheck shell=bash

parts_passed=0
part_now=

# `part NAME COMMAND…`: the first command that fails ends the job.
part() {
  part_now=$1
  local started=$SECONDS
  printf '\n== %s\n' "$part_now"
  "${@:2}"
  printf -- '-- %s: %s s\n' "$part_now" "$((SECONDS - started))"
  parts_passed=$((parts_passed + 1))
}

close_parts() {
  local status=$?
  if ((status)); then printf '\nFAILED: %s\n' "$part_now"; fi
  printf '\nparts: %s passed, %s failed\n' "$parts_passed" "$((status != 0))"
}
trap close_parts EXIT
