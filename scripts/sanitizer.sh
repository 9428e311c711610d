#!/usr/bin/env bash
# The Rust, C and C++ suites against a library that is instrumented by a sanitizer, the C side too.
#
#   scripts/sanitizer.sh address|thread                     everything
#   scripts/sanitizer.sh address|thread CTEST-ARGUMENT...    C and C++ tests alone
#   scripts/sanitizer.sh address fuzz ARGUMENT...           the fuzzer alone, which tests/fuzz/main.c describes
#
# Rust's sanitizers are unstable; RUSTC_BOOTSTRAP lets the stable compiler use them, for this build
# alone. Its own runtime is linked in place of the C compiler's, which may be too old for it (gcc 12
# has no __tsan_memcpy); what gcc inserts into the C side calls the same functions. The standard
# library is the compiled one and stays as it is; tests/sanitizer/tsan.supp says what follows from that.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?address or thread}
shift
root=$PWD
target=x86_64-unknown-linux-gnu
build=$root/build/$kind

export RUSTC_BOOTSTRAP=1
# -Cunsafe-allow-...: for rustc to accept a standard library that is not instrumented.
export RUSTFLAGS="-Zsanitizer=$kind -Cunsafe-allow-abi-mismatch=sanitizer -Cforce-frame-pointers=yes"
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
left_out=none
skip=()
cpp=ON
case $kind in
    address)
        init=__asan_init
        finding=heap-buffer-overflow
        ;;
    thread)
        init=__tsan_init
        finding="data race"
        # The C++ binding has no threads of its own: ASYNCGUEST_TSAN_CPP=ON to have its tests here all the same.
        cpp=${ASYNCGUEST_TSAN_CPP:-OFF}
        RUSTFLAGS+=" --cfg asyncguest_tsan" # locks that it can see, see src/sync.rs
        export TSAN_OPTIONS="suppressions=$root/tests/sanitizer/tsan.supp die_after_fork=0"
        # ThreadSanitizer puts a handler of its own in front of each signal's, and calls that one late on a thread that
        # sleeps: Rust's harness has such a thread in every test.
        # The fuzzer forks beside its threads.
        left_out='\.(signal_disposition_restored|random_calls_agree_with_the_model)$'
        skip=(signal_ sys::unix::signal)
        ;;
    *)
        echo "usage: scripts/sanitizer.sh address|thread [CTEST-ARGUMENT...]" >&2
        exit 2
        ;;
esac

runtimes=("$(rustc --print sysroot)/lib/rustlib/$target/lib/"librustc-*_rt."${kind:0:1}"san.a)
runtime=${runtimes[0]}
if [ ! -f "$runtime" ]; then
    echo "rustc comes without the runtime of this sanitizer ($runtime)" >&2
    exit 1
fi
# -rdynamic: the shared library finds the runtime in the program.
link="-fno-sanitize=all -Wl,--whole-archive $runtime -Wl,--no-whole-archive -rdynamic -lpthread -ldl -lrt -lm -lstdc++"

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE= -DASYNCGUEST_CARGO_TARGET_DIR="$root/target/$kind" \
    -DASYNCGUEST_CARGO_TARGET=$target -DASYNCGUEST_TEST_TIMEOUT=60 -DASYNCGUEST_STATIC_TESTS= -DASYNCGUEST_BUILD_HOST_TESTS=OFF -DASYNCGUEST_BUILD_CPP_TESTS=$cpp \
    -DCMAKE_C_FLAGS="-fsanitize=$kind -fno-omit-frame-pointer -g1" -DCMAKE_CXX_FLAGS="-fsanitize=$kind -g1" \
    -DCMAKE_EXE_LINKER_FLAGS="$link" >/dev/null
if [ "${1:-}" = fuzz ]; then
    shift
    cmake --build "$build" -j2 --target asyncguest_fuzz_static
    exec "$build/tests/c/asyncguest_fuzz_static" "$@"
fi
cmake --build "$build" -j2

# Proof that it is on: the library is instrumented, and a bug inside it is reported.
library=$root/target/$kind/$target/release/libasyncguest.a
objects=$(nm "$library" 2>/dev/null | grep -cE "U __(asan_report|tsan_write)" || true)
inits=$(nm "$build/tests/c/asyncguest_c_tests_static" | grep -c "$init" || true)
if [ "$objects" = 0 ] || [ "$inits" = 0 ]; then
    echo "not instrumented: $objects objects in $library, $inits of $init in asyncguest_c_tests_static" >&2
    exit 1
fi
# shellcheck disable=SC2086 # a list of words
${CC:-cc} -std=c11 -D_GNU_SOURCE -fsanitize="$kind" -g1 -Iinclude tests/sanitizer/bug.c "$library" \
    $link -o "$build/bug"
if report=$("$build/bug" "$kind" 2>&1); then
    echo "the deliberate bug went unnoticed" >&2
    exit 1
fi
grep -q "$finding" <<<"$report" || {
    printf 'the deliberate bug was not reported as %s:\n%s\n' "$finding" "$report" >&2
    exit 1
}
echo "on: a deliberate bug gives \"$finding\""

export ASYNCGUEST_TEST_SLOW=${ASYNCGUEST_TEST_SLOW:-5}
if [ $# = 0 ]; then
    CARGO_TARGET_DIR=$root/target/$kind CARGO_PROFILE_DEV_DEBUG=1 cargo test --lib --test guest --test memory --target "$target" \
        -- "${skip[@]/#/--skip=}"
fi
exec ctest --test-dir "$build" -j2 -L '^(c|cpp)$' -R '^(static|hooks|shared\.glib)' -E "$left_out" --output-on-failure "$@"
