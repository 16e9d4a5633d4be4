#!/usr/bin/env bash
# Starts what `make build` built: the desktop window, or without a display the server with the UI for a browser.
source "$(dirname "$0")/env.sh"

# The starter gets weights that fit this machine, if that pays. It is tried once, takes a minute, and whatever comes of it,
# the model answers.
if [[ -f $STARTER_MODEL ]]; then
  "$TARGET/release/flotilla" optimize --once smollm2:135m || say 'The starter model stays as it was fetched.'
fi

if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then exec "$TARGET/release/flotilla-desktop"; fi

say 'There is no display here, so Flotilla serves its UI to a browser: open the address below. Ctrl+C stops it.'
exec "$TARGET/release/flotilla" serve --ui-dir "${UI_DIR:-src-ui/dist}"
