#!/usr/bin/env bash
# The winit window of examples/rust/winit, a crate of its own.
#
#   scripts/rust_host.sh build   cargo build, in target/winit
#   scripts/rust_host.sh test    build and format, then the scenarios in both drives under Xvfb: rows for the table of
#                                hosts in build/hosts/winit.txt, pictures in build/hosts/winit/DRIVE.png
set -euo pipefail
cd "$(dirname "$0")/.."

crate=examples/rust/winit
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/winit}
PATH=$PATH:$HOME/.cargo/bin # as in scripts/setup.sh

scenarios() { # DRIVE
    local log=build/hosts/winit/$1.log
    rm -f "build/hosts/winit/$1.png"
    # winit also knows Wayland; the pictures are of X.
    if ! env -u WAYLAND_DISPLAY -u DISPLAY timeout 60 examples/demo/with_display.sh "$CARGO_TARGET_DIR/debug/asyncguest-winit" \
        --drive "$1" --script import -window root "build/hosts/winit/$1.png" >"$log" 2>&1 ||
        [ ! -s "build/hosts/winit/$1.png" ]; then
        cat "$log"
        echo "winit, drive $1: failed (or no picture)"
        return 1
    fi
    cat "$log"
}

case ${1:-} in
    build)
        cargo build --locked --manifest-path "$crate/Cargo.toml"
        ;;
    test)
        cargo build --locked --manifest-path "$crate/Cargo.toml"
        cargo fmt --check --manifest-path "$crate/Cargo.toml"
        mkdir -p build/hosts/winit
        status=0
        scenarios thread || status=1
        scenarios fd || status=1
        cat build/hosts/winit/*.log | grep '^winit|' >build/hosts/winit.txt || status=1
        awk -F'|' '{ p += $4; f += $5; s += $6 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' build/hosts/winit.txt
        exit "$status"
        ;;
    *)
        echo "usage: scripts/rust_host.sh build|test" >&2
        exit 2
        ;;
esac
