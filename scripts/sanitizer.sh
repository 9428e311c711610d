#!/usr/bin/env bash
# The C suite against a library that is instrumented by a sanitizer, the C side too.
#
#   scripts/sanitizer.sh address|thread [CTEST-ARGUMENT...]
#
# Rust's sanitizers are unstable; RUSTC_BOOTSTRAP lets the stable compiler use them, for this build
# alone. The runtime is the C compiler's: LLVM's and gcc's instrumentation speak the same ABI.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?address or thread}
shift
root=$PWD
target=x86_64-unknown-linux-gnu
build=$root/build/$kind

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=$kind -Cforce-frame-pointers=yes"
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
case $kind in
    address) init=__asan_init ;;
    thread)
        init=__tsan_init
        # The standard library comes without instrumentation; this says that it is meant.
        RUSTFLAGS+=" -Cunsafe-allow-abi-mismatch=sanitizer"
        ;;
    *)
        echo "usage: scripts/sanitizer.sh address|thread" >&2
        exit 2
        ;;
esac
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DASYNCGUEST_CARGO_TARGET_DIR="$root/target/$kind" \
    -DASYNCGUEST_CARGO_TARGET=$target -DASYNCGUEST_TEST_TIMEOUT=180 \
    -DCMAKE_C_FLAGS="-fsanitize=$kind -fno-omit-frame-pointer -g" -DCMAKE_CXX_FLAGS="-fsanitize=$kind -g" >/dev/null
cmake --build "$build" -j2
