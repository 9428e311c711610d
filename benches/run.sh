#!/bin/sh
# Builds the release library and the comparisons, runs them and prints the table.
#
#   benches/run.sh                     everything, a few minutes; leave the machine alone meanwhile
#   benches/run.sh --quick             a smoke run of seconds: does every row print?
#   benches/run.sh --rounds 21 latency one comparison with more rounds
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
target=$(cd "$target" && pwd)

command -v pkg-config >/dev/null && pkg-config --exists libuv || {
    echo "benches/run.sh: libuv is not installed (apt-get install pkg-config libuv1-dev)" >&2
    exit 1
}
CARGO_TARGET_DIR=$target cargo build --quiet --release --lib --manifest-path "$here/../Cargo.toml"
make --quiet -C "$here" TARGET="$target"
exec "$target/benches/bench" "$@"
