#!/usr/bin/env bash
# make demo: downloads files of 1 KiB to 64 MiB at once, in a GTK window and then in a plain poll loop; after that the same
# sort of thing in Python, in a Tk window with asyncio as its guest.
#
#   make demo                         from a local server, with one URL that stalls and has to be given up
#   make demo URLS="URL URL ..."      from anywhere
#
# Exits 0 if exactly the expected happened: every file complete with the right SHA-256, and the stalling URL given up.
set -euo pipefail
cd "$(dirname "$0")/../.."

PATH=$PATH:$HOME/.cargo/bin # as in scripts/setup.sh
build=$PWD/build/demo
hosts=$build/examples/c
picture=$build/fetch_gtk.png
server=
files=

finish() {
    # The server also ends by itself when this script is gone and with it the other end of its stdin.
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    if [ -n "$files" ]; then rm -rf "$files"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# 1. Build: without the tests, which need more than the demo does. cargo's own work is shared with `make test`.
unset MAKEFLAGS MAKELEVEL # this is no part of the `make` that called us
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DASYNCGUEST_CARGO_TARGET_DIR="$PWD/target" \
    -DASYNCGUEST_BUILD_EXAMPLES=ON -DASYNCGUEST_BUILD_TESTS=OFF
cmake --build "$build" --parallel --target fetch_gtk fetch_poll
files=$(mktemp -d)

# 2. The server, unless the user names URLs.
urls=()
stall=
if [ -n "${URLS:-}" ]; then
    read -ra urls <<<"$URLS"
else
    coproc SERVER { exec python3 examples/demo/server.py --seconds 8; }
    server=$SERVER_PID
    while read -r -u "${SERVER[0]}" what value && [ "$what" != ready ]; do
        case $what in
            url) urls+=("$value") ;;
            stall) stall=$value ;;
        esac
    done
    if [ "$what" != ready ]; then
        echo "demo: the server does not start" >&2
        exit 1
    fi
    urls+=("$stall")
    export no_proxy=127.0.0.1 # curl must not ask a proxy for this machine
fi

# Runs a host and says whether the outcome is the expected one.
run() {
    local status=0 log=$files/log complete
    echo
    echo "== $1"
    shift
    "$@" 2>&1 | tee "$log" || status=$?
    if [ -z "$stall" ]; then
        return "$status"
    fi
    complete=$(grep -cE '^http.* ok +ok$' "$log" || true)
    if [ "$status" = 1 ] && [ "$complete" = 5 ] && grep -q '^http.*/stall .* stalled: nothing arrived' "$log"; then
        echo "as expected: 5 files complete and checked, the stalling one given up"
    else
        echo "NOT as expected: want 5 files complete, one stalled and exit status 1; got status $status" >&2
        return 1
    fi
}

# 3. The window, with a dialog that opens after a second for two seconds: the downloads go on behind it.
result=0
rm -f "$picture"
run "GTK 4, drive THREAD" examples/demo/with_display.sh "$hosts/fetch_gtk" -o "$files" --stall 3 --auto-dialog 2 --linger 1 \
    --screenshot "$picture" "${urls[@]}" || result=1

# 4. The same in a poll loop, faster.
run "poll(2), drive FD" "$hosts/fetch_poll" -o "$files" --stall 2 \
    "${urls[@]/\#/${stall:+?seconds=2}#}" || result=1

# 5. Python. On the user's display the window is the user's: it stays until it is closed. Without one a script acts, in
# both drives: a message box stands for a while, one download is cancelled and one repeated. The server runs in the same
# guest, unless the user names URLs.
urls=()
if [ -n "${URLS:-}" ]; then read -ra urls <<<"$URLS"; fi
echo
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "== Python: asyncio as a guest of Tk; close the window to end it"
    scripts/python.sh demo "${urls[@]}" || result=1
else
    for drive in fd thread; do
        echo "== Python: asyncio as a guest of Tk, drive ${drive^^}"
        if scripts/python.sh demo --drive "$drive" --seconds 5 --screenshot "$build/demo_tk_$drive.png" "${urls[@]}"; then
            export ASYNCGUEST_WHEEL_IS_FRESH=1 # for the second time
        else
            result=1
        fi
        echo
    done
fi
exit "$result"
