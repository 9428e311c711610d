#!/usr/bin/env bash
# How many instructions lie between the call of guest_deliver_batch and its return, for one fd event in drive FD, the
# callback's read included: counted by callgrind with the shared library as it is shipped, and compared with
# recorded.txt, which another compiler's figure is not.
#
#   benches/instructions/check.sh             fails if the figure is more than 3 % from the recorded one
#   benches/instructions/check.sh --record    writes recorded.txt anew
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(uname -m)" != x86_64 ]; then
    echo "the figure is recorded for x86_64"
    exit 77
fi
recorded=benches/instructions/recorded.txt
target=$(realpath "${CARGO_TARGET_DIR:-target}")
out=$target/instructions
compiler=$(rustc --version | cut -d' ' -f1,2)

cargo build --quiet --release --lib
mkdir -p "$out"
soname=$(readelf -d "$target/release/libasyncguest.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
ln -sf "$target/release/libasyncguest.so" "$out/$soname"
cc -O2 -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -o "$out/wake" benches/instructions/wake.c \
    "$target/release/libasyncguest.so" -Wl,-rpath,"$out"

count() { # WAKES: the instructions inside guest_deliver_batch, of all of them
    valgrind --tool=callgrind --toggle-collect=guest_deliver_batch --callgrind-out-file=/dev/null "$out/wake" "$1" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\)$/\1/p'
}

# The difference of two runs: without what only the first wakes do.
few=$(count 1000)
many=$(count 2000)
now=$(((many - few) / 1000))
if [ "${1:-}" = --record ]; then
    echo "$now $compiler" >"$recorded"
fi
read -r then with <"$recorded"
echo "$now instructions for a wake by $compiler; recorded: $then by $with"
if [ "$compiler" != "$with" ]; then
    echo "recorded for another rustc: not compared"
elif [ $((now * 100)) -gt $((then * 103)) ]; then
    echo "more than 3 % above: shorten the way of a wake, or say in the commit what it is worth and record it (--record)"
    exit 1
elif [ $((now * 100)) -lt $((then * 97)) ]; then
    echo "more than 3 % below: record it (--record)"
    exit 1
fi
