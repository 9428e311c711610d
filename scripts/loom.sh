#!/usr/bin/env bash
# The models in tests/loom. Two preemptions per interleaving take seconds, LOOM_MAX_PREEMPTIONS=3 takes
# minutes: for changes of what is modelled.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}"
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2}
export CARGO_PROFILE_DEV_DEBUG=0 # nobody debugs these builds
# Nearly all the time is loom's own, so that alone is optimised.
optimised=()
for package in loom generator scoped-tls tracing tracing-core; do
    optimised+=(--config "profile.dev.package.$package.opt-level=3")
done
exec cargo test --test loom "${optimised[@]}" "$@"
