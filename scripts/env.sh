# Sourced by every script here: strict bash, the repository's root as the working folder, and the shared places.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck disable=SC2034 # The scripts that source this file read these.
{
  TARGET=${CARGO_TARGET_DIR:-target}
  # Tools that are not part of a build: Python environments, by the hash of what they hold.
  CACHE=${FLOTILLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flotilla}
  STARTER_MODEL=${MODELS_DIR:-${DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/flotilla}/models}/smollm2/135m.gguf
}

say() { printf '%s\n' "$*" >&2; }

# Ends the script with one line that says what to do.
give_up() {
  say "$*"
  exit 1
}

# The desktop's tests open real windows, on a display and a session bus of their own.
with_desktop() { env -u WAYLAND_DISPLAY xvfb-run --auto-servernum dbus-run-session -- "$@"; }
