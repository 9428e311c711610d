#!/usr/bin/env bash
# The C suite under Valgrind, statically linked: reads of what was never written, use after free,
# and definite leaks fail a test. Needs the build of build/ (scripts/test.sh).
#
#   scripts/memcheck.sh [CTEST-ARGUMENT...]
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
launcher="valgrind;-q;--error-exitcode=99;--leak-check=full;--errors-for-leak-kinds=definite;--fair-sched=yes"
cmake -S . -B build/memcheck -DASYNCGUEST_CARGO_TARGET_DIR="$root/target" -DASYNCGUEST_TEST_TIMEOUT=300 \
    -DASYNCGUEST_TEST_LAUNCHER="$launcher" >/dev/null
cmake --build build/memcheck -j2
export ASYNCGUEST_TEST_SLOW=${ASYNCGUEST_TEST_SLOW:-20}
exec ctest --test-dir build/memcheck -j2 -L c -R '^static\.' --output-on-failure "$@"
