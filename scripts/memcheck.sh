#!/usr/bin/env bash
# The C suite under Valgrind, with the shared library as it is shipped: reads of what was never written,
# use after free, and definite leaks fail a test. Needs the build of build/ (scripts/test.sh).
#
#   scripts/memcheck.sh                      the files whose tests hand memory to and fro: a minute
#   scripts/memcheck.sh CTEST-ARGUMENT...    others, for example -L c for all
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
launcher="valgrind;-q;--error-exitcode=99;--leak-check=full;--errors-for-leak-kinds=definite;--fair-sched=yes"
launcher+=";--suppressions=$root/tests/c/valgrind.supp"
cmake -S . -B build/memcheck -DASYNCGUEST_CARGO_TARGET_DIR="$root/target" -DASYNCGUEST_TEST_TIMEOUT=300 \
    -DASYNCGUEST_TEST_LAUNCHER="$launcher" -DASYNCGUEST_BUILD_CPP_TESTS=OFF >/dev/null
cmake --build build/memcheck -j2
export ASYNCGUEST_TEST_SLOW=${ASYNCGUEST_TEST_SLOW:-20}
[ $# != 0 ] || set -- -L '^(abi|drops|end|ended|fds|free|nested|posts|pull|resolve|signals|stale|timers|work)$'
exec ctest --test-dir build/memcheck -j2 -R '^shared\.' --output-on-failure "$@"
