#!/usr/bin/env bash
# Runs a command on the user's display or, where there is none, on an Xvfb of its own that ends with it.
# To force the latter: env -u DISPLAY -u WAYLAND_DISPLAY with_display.sh COMMAND...
# WITH_FRAMES=1: for pictures, openbox runs on that Xvfb and gives windows their frames.
set -euo pipefail

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec "$@"
fi

# Xvfb picks a free number by itself and says which as soon as clients may come: no guess, no pause, no race.
exec {number}< <(exec Xvfb -displayfd 1 -noreset -nolisten tcp -screen 0 1024x768x24 2>/dev/null)
xvfb=$!
trap 'kill "$xvfb" 2>/dev/null || true' EXIT
if ! read -r -u "$number" display; then
    echo "with_display.sh: Xvfb does not start" >&2
    exit 2
fi

# It says when windows may come, and ends with its display.
if [ -n "${WITH_FRAMES:-}" ]; then
    exec {managed}< <(DISPLAY=":$display" exec openbox --startup "echo managed" 2>/dev/null)
    if ! read -r -u "$managed" _; then
        echo "with_display.sh: openbox does not start (Debian: apt-get install openbox)" >&2
        exit 2
    fi
fi

# GTK: nothing here has a graphics card or an accessibility bus, so do not look for them.
status=0
DISPLAY=":$display" GDK_BACKEND=x11 GSK_RENDERER=cairo GTK_A11Y=none "$@" || status=$?
exit "$status"
