#!/usr/bin/env bash
# Starts what `make build` built: the desktop window, or without a display the server with the UI for a browser.
source "$(dirname "$0")/env.sh"

if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then exec "$TARGET/release/flotilla-desktop"; fi

say 'There is no display here, so Flotilla serves its UI to a browser: open the address below. Ctrl+C stops it.'
exec "$TARGET/release/flotilla" serve --ui-dir "${UI_DIR:-src-ui/dist}"
