#!/usr/bin/env bash
# Plays a C++ example by itself, on the user's display or an Xvfb, and says whether it did what it should.
#
#   examples/cpp/run.sh PROGRAM PICTURE [OPTION...]
#
# PROGRAM: fetch_qt, fetch_wx or game_sdl, as built. PICTURE: where its screenshot goes. The two that download get the
# files of examples/demo/server.py, show their dialog for a second in mid-run, and must have received bytes meanwhile.
# The README's picture: WITH_FRAMES=1 examples/cpp/run.sh build/examples/cpp/fetch_qt docs/fetch_qt.png
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 picture=$2
shift 2
urls=()
seconds=(--seconds 2)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi' EXIT

if [ "$(basename "$program")" != game_sdl ]; then
    coproc SERVER { exec python3 "$here/../demo/server.py" --seconds 2.5; }
    server=$SERVER_PID
    while read -r -u "${SERVER[0]}" what value && [ "$what" != ready ]; do
        if [ "$what" = url ]; then urls+=("$value"); fi
    done
    seconds=(--seconds 4 --dialog 1)
fi
rm -f "$picture"
output=$("$here/../demo/with_display.sh" "$program" "${seconds[@]}" --screenshot "$picture" "$@" "${urls[@]}")
echo "$output"
complain() {
    echo "$(basename "$program"): $*" >&2
    exit 1
}
[ -s "$picture" ] || complain "there is no picture"
[ ${#urls[@]} = 0 ] || grep -qE '^dialog: [1-9][0-9]{5,} bytes' <<<"$output" || complain "the downloads stood still behind the dialog"
# What a busy machine reaches at least; a quiet one has 60 frames and, in fetch_qt, 10000 messages.
rate() {
    grep -oE "$1 \([0-9]+" <<<"$output" | grep -oE '[0-9]+$' || echo 0
}
[ "$(rate frames)" -ge 20 ] || complain "only $(rate frames) frames per second"
case $program in
    *fetch_qt) [ "$(rate messages)" -ge 8000 ] || complain "only $(rate messages) messages per second" ;;
esac
