# Sourced by the jobs here: the places outside the clone that they share.
# shellcheck shell=bash
cache=${FLOTILLA_CACHE:-$HOME/.cache/flotilla}
# Binaries are built for this machine's processor (.cargo/config.toml) and would crash on one with other instructions.
processor=$(grep --max-count=1 '^flags' /proc/cpuinfo | sha256sum | cut -c1-12)

export CARGO_TARGET_DIR=$cache/ci-target-$processor
export CARGO_INCREMENTAL=0
export npm_config_cache=$cache/npm
export DEBIAN_FRONTEND=noninteractive
