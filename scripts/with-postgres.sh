#!/usr/bin/env bash
# Runs a command with TEST_POSTGRES_URL naming an empty PostgreSQL of its own, on a socket in a temporary folder.
source "$(dirname "$0")/env.sh"

programs=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1)
[[ -n $programs ]] || give_up 'PostgreSQL is missing: run make setup.'
folder=$(mktemp -d)

# PostgreSQL refuses to run as root; Debian's package made a user for it.
as_owner() {
  if [[ $EUID -eq 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi
}
if [[ $EUID -eq 0 ]]; then chown postgres "$folder"; fi

stop() {
  as_owner "$programs/pg_ctl" --pgdata "$folder/data" --mode immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

as_owner "$programs/initdb" --pgdata "$folder/data" --username flotilla --auth trust --encoding UTF8 --no-sync >/dev/null
# Nobody keeps this data, so nothing waits for the disk; tests run in parallel, each with a pool of its own.
options="-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=500 -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
as_owner "$programs/pg_ctl" --pgdata "$folder/data" --log "$folder/log" --options "$options" --wait start >/dev/null ||
  give_up "PostgreSQL did not start: $(cat "$folder/log")"

TEST_POSTGRES_URL="postgres://flotilla@localhost/postgres?host=${folder//\//%2F}" "$@"
