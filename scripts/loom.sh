#!/usr/bin/env bash
# The models in tests/loom. Three preemptions per interleaving: enough for every bug that the models
# were tried on, and done in seconds; LOOM_MAX_PREEMPTIONS=4 takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}"
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3}
# Nearly all the time is loom's own, so that alone is optimised.
optimised=()
for package in loom generator scoped-tls tracing tracing-core; do
    optimised+=(--config "profile.dev.package.$package.opt-level=3")
done
exec cargo test --test loom "${optimised[@]}" "$@"
