#!/usr/bin/env bash
# Installs what a new Debian or Ubuntu machine lacks: `setup.sh run` for `make run`, `setup.sh test` for developing.
# With root or a password-free sudo it installs; otherwise it prints the command and stops.
source "$(dirname "$0")/env.sh"

run=(
  g++ make cmake clang libclang-dev pkg-config # llama.cpp is C++; bindgen reads its headers with libclang
  libwebkit2gtk-4.1-dev librsvg2-dev           # the desktop window is WebKitGTK, its icons are SVG
)
test=(
  postgresql                 # the store's suite runs on SQLite and on PostgreSQL
  chromium fonts-dejavu-core # Playwright drives Debian's browser; without a font, text has no size
  xvfb xauth dbus            # a display and a session bus for the desktop window
  webkit2gtk-driver          # drives that window
  shellcheck
)

needs_toolchains() {
  command -v cargo >/dev/null || give_up 'Rust is missing: install it with rustup (https://rustup.rs), then run this again.'
  command -v npm >/dev/null || give_up 'Node.js is missing: install version 20.19 or newer with npm, then run this again.'
  command -v python3 >/dev/null || give_up 'Python is missing: install python3, then run this again.'
  node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' ||
    give_up "Node.js $(node --version) is too old: install version 20.19 or newer, then run this again."
}

# The parts of Python that Debian ships apart from it. A Python from elsewhere has them inside.
python_packages() {
  python3 - <<'PYTHON'
from importlib.util import find_spec
if not find_spec("pip"): print("python3-pip")
if not find_spec("ensurepip"): print("python3-venv")
PYTHON
}

missing() {
  local installed
  # It fails when it knows not even the name of one; what it prints of the others still counts.
  installed=$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  local package
  for package in "$@"; do
    grep -qx "$package installed" <<<"$installed" || echo "$package"
  done
}

install() {
  local apt=(apt-get -o DPkg::Lock::Timeout=300)
  if [[ $EUID -eq 0 ]]; then
    apt=(env DEBIAN_FRONTEND=noninteractive "${apt[@]}")
  elif sudo -n true 2>/dev/null; then
    apt=(sudo -n env DEBIAN_FRONTEND=noninteractive "${apt[@]}")
  else
    give_up "Some packages are missing. Install them, then run this again:
  sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  fi
  say "Installing $*"
  "${apt[@]}" -qq update
  "${apt[@]}" -qq install --yes --no-install-recommends "$@" >/dev/null
}

case ${1:-} in
  run) packages=("${run[@]}") ;;
  test) packages=("${run[@]}" "${test[@]}") ;;
  *) give_up 'Usage: scripts/setup.sh run|test' ;;
esac

needs_toolchains
if ! command -v apt-get >/dev/null; then
  say "This is not Debian or Ubuntu, so nothing was installed. Flotilla builds with: ${packages[*]}"
  exit 0
fi
mapfile -t lacking < <(missing "${packages[@]}"; python_packages)
if ((${#lacking[@]})); then install "${lacking[@]}"; fi
if [[ $1 == test ]]; then
  if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then rustup component add rustfmt clippy; fi
fi
