#!/usr/bin/env bash
# Runs a command on the user's display or, where there is none, on an Xvfb of its own that ends with it.
# To force the latter: env -u DISPLAY -u WAYLAND_DISPLAY with_display.sh COMMAND...
# WINDOW_MANAGER=openbox: that one runs on the Xvfb, so that windows have frames; for pictures.
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

if [ -n "${WINDOW_MANAGER:-}" ]; then # ends with its display
    DISPLAY=":$display" "$WINDOW_MANAGER" >/dev/null 2>&1 &
fi

# GTK: nothing here has a graphics card or an accessibility bus, so do not look for them.
status=0
DISPLAY=":$display" GDK_BACKEND=x11 GSK_RENDERER=cairo GTK_A11Y=none "$@" || status=$?
exit "$status"
