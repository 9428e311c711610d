#!/usr/bin/env bash
# Which lines and regions of the product its tests run.
#
#   scripts/coverage.sh src       src by the Rust tests, by the C tests through the library, by both
#   scripts/coverage.sh python    the Python package by the tests that scripts/python.sh runs on every interpreter
#   scripts/coverage.sh           both
#
# The tables are printed; build/coverage has the lines one by one: NAME.ran and NAME.missed, "FILE:LINE" each, so that
# `LC_ALL=C comm -23 before/both.ran after/both.ran` shows what a change of the tests has lost.
#
# Needs the LLVM that rustc was made with, llvm-tools, which it has rustup fetch.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
out=$root/build/coverage
target=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc --print sysroot)/lib/rustlib/$target/bin
mkdir -p "$out"

# Counters that live in the file itself (%c), so that they survive _exit, abort and a signal; all processes of a
# program share it (%m).
instrumented() { # NAME COMMAND...
    LLVM_PROFILE_FILE=$out/raw/$1-%m%c.profraw "${@:2}"
}

# What a suite ran, exported program by program: two that were compiled differently do not share the counters of a
# function of the same name.
export_of() { # NAME OBJECT...
    local name=$1 object n=0
    shift
    "$llvm/llvm-profdata" merge -o "$out/raw/$name.profdata" "$out/raw/$name"-*.profraw
    for object; do
        n=$((n + 1))
        "$llvm/llvm-cov" export -skip-expansions -instr-profile "$out/raw/$name.profdata" "$object" -sources "$root/src" \
            >"$out/raw/$name-$n.json" 2>>"$out/raw/warnings"
    done
}

# An instrumented library has symbols of its own, which tests/tree/exports.rs refuses rightly.
do_src() {
    if [ ! -x "$llvm/llvm-cov" ] && ! rustup component add llvm-tools; then
        echo "coverage: no llvm-cov in $llvm: it comes by rustup component add llvm-tools" >&2
        return 1
    fi
    export RUSTFLAGS="-Cinstrument-coverage -Cllvm-args=-runtime-counter-relocation" CARGO_TARGET_DIR=$root/target/coverage
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 LLVM_PROFILE_FILE=/dev/null
    local rust=() failed=0
    rm -rf "$out/raw"

    cargo test --target "$target" --no-run
    mapfile -t rust < <(cargo test --target "$target" --no-run --message-format=json 2>/dev/null |
        sed -n '/"name":"loom"/d; s/.*"executable":"\([^"]*\)".*/\1/p')
    instrumented rust cargo test --target "$target" --no-fail-fast -- --skip the_shared_library_exports || failed=1

    # -u: what writes the counters is taken along from a static library, too.
    cmake -S . -B "$out/c" -DASYNCGUEST_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DASYNCGUEST_CARGO_TARGET="$target" \
        -DASYNCGUEST_BUILD_CPP_TESTS=OFF -DCMAKE_EXE_LINKER_FLAGS=-Wl,-u,__llvm_profile_runtime >/dev/null
    cmake --build "$out/c" -j2 >/dev/null
    ASYNCGUEST_TEST_SLOW=3 instrumented c ctest --test-dir "$out/c" -j2 -L '^c$' -R '^(shared|hooks)\.' --output-on-failure ||
        failed=1
    export_of rust "${rust[@]}"
    export_of c "$out/c/lib/libasyncguest.so" "$out"/c/tests/c/hooks_*

    python3 scripts/coverage_table.py "src by the Rust tests" "$out/rust" "$out"/raw/rust-*.json
    python3 scripts/coverage_table.py "src by the C tests" "$out/c" "$out"/raw/c-*.json
    python3 scripts/coverage_table.py "src by both" "$out/both" "$out"/raw/{rust,c}-*.json
    return "$failed"
}

do_python() {
    ./scripts/python.sh coverage
}

case ${1:-all} in
    src | python) "do_$1" ;;
    all)
        do_src
        do_python
        ;;
    *)
        sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2
        exit 2
        ;;
esac
