#!/usr/bin/env bash
# All that must hold, stage by stage; `make test` and CI run this.
#
#   scripts/test.sh                       every stage
#   scripts/test.sh NAME...               some of them, by the names that it prints
#   scripts/test.sh --quick [NAME...]     the inner loop, two minutes when what has not changed is built: `make quick`
#
# One line per stage; what a stage printed is in build/logs/NAME.log and is shown when it fails.
# The last line counts: "N passed, N failed". Products go to target/ and build/ alone.
set -uo pipefail
cd "$(dirname "$0")/.."

root=$PWD
logs=build/logs
mkdir -p "$logs"
unset RUSTFLAGS CARGO_TARGET_DIR
export CARGO_TERM_COLOR=never
PATH=$PATH:$HOME/.cargo/bin # as in scripts/setup.sh
extent=test
if [ "${1:-}" = --quick ]; then
    extent=quick
    shift
fi
wanted=" $* "
outcomes=$(mktemp -d) # an empty file per stage: OUTCOME.NAME
trap 'rm -rf "$outcomes"' EXIT

asked() { # NAME: is that stage wanted?
    [[ $wanted == "  " || $wanted == *" $1 "* ]]
}

stage() { # NAME COMMAND...
    local name=$1 begin=$SECONDS report took TIMEFORMAT='%U %S'
    shift
    asked "$name" || return 0
    took=$({ time "$@" >"$logs/$name.log" 2>&1; } 2>&1)
    local status=$?
    took=$(awk -v wall=$((SECONDS - begin)) '{ printf "%4d s  %4d s of processor", wall, $1 + $2 }' <<<"$took")
    if [ "$status" = 77 ]; then # cannot run here, and its last line says why
        without "$name" "$(tail -n 1 "$logs/$name.log")"
    elif [ "$status" = 0 ]; then
        : >"$outcomes/passed.$name"
        report=$(printf 'ok    %-12s %s   %s\n' "$name" "$took" "$(figures "$logs/$name.log")" && tried_again "$logs/$name.log")
        printf '%s\n' "$report" # at once: another lane prints, too
    else
        : >"$outcomes/failed.$name"
        report=$(printf 'FAIL  %-12s %s   %s\n' "$name" "$took" "$logs/$name.log" && what_failed "$logs/$name.log")
        printf '%s\n' "$report"
    fi
}

# Those that had a second try, and passed.
tried_again() { # LOG
    grep -a '^second try: ' "$1" | sed 's/^/      | /'
    return 0
}

# Without what went well, so that what failed is within the last lines.
what_failed() { # LOG
    local cargo='^ +(Compiling|Checking) | \.\.\. ok$' make='^g?make\[|^\[ *[0-9]+%\] '
    local ctest='^ +Start +[0-9]+:| Passed +[0-9.]+ sec$|sec\*proc'
    local hosts='^[^ ].* \((fd|thread|fd, thread|-)\): |^\|.*\| [0-9]+ +\| 0 +\||, 0 failed,'
    grep -avE "$cargo|$make|$ctest|$hosts" "$1" | tail -n 50 | sed 's/^/      | /'
}

without() { # NAME REASON: a stage that cannot run here
    asked "$1" || return 0
    : >"$outcomes/skipped.$1"
    printf 'skip  %-12s                             %s\n' "$1" "$2"
}

# How many tests a log tells of, cargo's and ctest's, and how many of them had a second try (see scripts/quarantine.py).
figures() {
    awk '/^test result: ok/ { n += $4 } /tests passed/ { n += $NF } /^on: / { on = ", " $0 }
         /^ok +3\.[0-9]+ / { for (i = 3; i <= NF; i++) if ($i ~ /^passed/) n += $(i - 1); on = on ", " $2 }
         / excepted, / { n += $4 }
         /^[0-9]+ passed, [0-9]+ failed, / { n += $1 }
         /^second try: / { again += $0 ~ /quarantine/ ? $(NF - 3) : $NF }
         END { if (n) printf "%d tests%s", n, on; if (again) printf ", %d second tries", again }' "$1"
}

lint() {
    cargo clippy --all-targets -- -D warnings || return
    [ "$extent" = quick ] || cargo clippy --lib --features test-hooks -- -D warnings || return
    CARGO_TARGET_DIR=target/python cargo clippy --manifest-path bindings/python/Cargo.toml --locked -- -D warnings || return
    ./scripts/lint.sh python
}

build() {
    cargo build --release
}

# The ways for systems without pidfd and without MADV_WIPEONFORK.
fallback() {
    RUSTFLAGS="--cfg asyncguest_no_pidfd --cfg asyncguest_no_wipeonfork" CARGO_TARGET_DIR=target/fallback \
        CARGO_PROFILE_DEV_DEBUG=0 cargo test --lib --test guest -- sys:: children:: fork:: reentrancy::
}

# The C and C++ suites against both libraries, the header in three languages, the installed package.
c_suite() {
    cmake -S . -B build -DASYNCGUEST_CARGO_TARGET_DIR="$root/target" -DASYNCGUEST_BUILD_EXAMPLES=ON &&
        cmake --build build -j2 &&
        ctest --test-dir build -j2 --output-on-failure
}

# Of the C side: the header in each language, and programs of each release's days, which have every kind of source.
c_smoke() {
    cmake -S . -B build/quick -DASYNCGUEST_CARGO_TARGET_DIR="$root/target" -DASYNCGUEST_BUILD_CPP_TESTS=OFF \
        -DASYNCGUEST_BUILD_HOST_TESTS=OFF >/dev/null &&
        cmake --build build/quick --target abi_releases &&
        ctest --test-dir build/quick --output-on-failure -R '^(abi|header)\.'
}

docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps && ./docs/check_snippets.sh
}

wheel() {
    ./scripts/python.sh wheel && ASYNCGUEST_WHEEL_IS_FRESH=1 ./scripts/python.sh audit
}

# One wheel for all stages that install it.
wheel_for() { # STAGE...
    local name
    for name in "$@"; do
        ! asked "$name" || { ./scripts/python.sh wheel quietly; return; }
    done
}

# The oldest Rust that Cargo.toml promises: the compiler itself, or clippy's knowledge of it.
msrv() {
    local version
    version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if command -v rustup >/dev/null && rustup toolchain list | grep -q "^$version"; then
        CARGO_TARGET_DIR=target/msrv rustup run "$(rustup toolchain list | grep -om1 "^$version[^ ]*")" cargo check --lib
    else
        echo "Rust $version is not installed: clippy's incompatible_msrv instead"
        CARGO_TARGET_DIR=target/msrv cargo clippy --lib -- -D clippy::incompatible_msrv
    fi
}

# The library for musl, whose types and threads are not glibc's; the programs have all of it in them, so that they run here.
musl() {
    local target=x86_64-unknown-linux-musl
    if ! command -v rustup >/dev/null || ! rustup target list --installed | grep -x "$target" >/dev/null; then
        echo "its standard library is missing: rustup target add $target"
        return 77
    fi
    CARGO_TARGET_DIR=target/musl cargo clippy --lib --target "$target" -- -D warnings &&
        CARGO_TARGET_DIR=target/musl cargo test --lib --test guest --target "$target"
}

# Lanes are beside each other, since much of the tests' time is waiting: both cores always have something to do.
lanes=()
trap 'for each in "${lanes[@]}"; do kill -- "-$each" 2>/dev/null; done; exit 130' INT TERM
lane() { # FUNCTION [ARGUMENT]: stages, one after another; in a process group, so that Ctrl-C is not ignored there, and the trap ends it
    set -m
    "$@" </dev/null &
    set +m
    lanes+=($!)
}

# What needs nothing of the others.
first() {
    stage format ./scripts/lint.sh format
    stage deny ./scripts/lint.sh deny
    stage rust cargo test
    stage build build
    stage lint lint
    stage c c_suite
}

# The Python package.
python_side() {
    stage python ./scripts/python.sh test
    stage types ./scripts/python.sh types
    stage conform ./scripts/python.sh conformance short
    stage manual ./scripts/python.sh docs
    stage pybench ./scripts/python.sh bench --quick "wake latency" "echo, UDP" "echo, TLS" "1 x 1 KiB" websockets asyncpg import idle bursts
    stage leaks ./scripts/python.sh leaks 5000
}

# On real toolkits. The table of hosts has rows that the stages c, winit and node write.
toolkits() {
    stage winit ./scripts/rust_host.sh test
    stage node env ASYNCGUEST_STATICLIB="$root/target/release/libasyncguest.a" ./scripts/node.sh test
    stage hosts ./scripts/hosts.sh --short
}

# They mostly wait: for downloads, and for the next measurement.
waiting() {
    stage examples ./scripts/python.sh examples
    stage bench ./benches/run.sh --quick
}

# Compilers, and tests with clocks that are slowed down: they get what the others leave. The longest is a lane of its own, since
# what comes after the toolkits' end would have one core alone.
sanitizer() { # KIND
    renice -n 10 "$BASHPID" >/dev/null
    if [ "$(uname -m)" = x86_64 ]; then
        stage "$1" ./scripts/sanitizer.sh "$1"
    else
        without "$1" "written for x86_64"
    fi
}

the_rest() {
    sanitizer thread
    stage loom ./scripts/loom.sh
    stage fallback fallback
    stage memcheck ./scripts/memcheck.sh
    stage instructions ./benches/instructions/check.sh
    stage docs docs
    stage msrv msrv
    stage musl musl
}

# How many stages had that outcome.
count() { # OUTCOME
    find "$outcomes" -name "$1.*" | wc -l
}

# The last line.
total() {
    [ "$(count skipped)" = 0 ] || echo "$(count skipped) skipped"
    echo "$(count passed) passed, $(count failed) failed"
    [ "$(count failed)" = 0 ]
}

if ! ./scripts/setup.sh "$extent"; then
    echo "0 passed, 1 failed"
    exit 1
fi
if [ "$extent" = quick ]; then
    stage format ./scripts/lint.sh format
    stage lint lint
    stage rust cargo test
    stage c c_smoke
    stage python ./scripts/python.sh quick
    total
    exit
fi
lane first
asked wheel || wheel_for python hosts types conform manual pybench leaks || { echo "0 passed, 1 failed"; exit 1; }
stage wheel wheel
export ASYNCGUEST_WHEEL_IS_FRESH=1
lane python_side
wait "${lanes[0]}"
lane toolkits
lane waiting
lane sanitizer address
lane the_rest
wait
total
