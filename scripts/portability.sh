#!/usr/bin/env bash
# What the library is on systems other than this one: a table. For root on Debian, x86-64.
#
#   scripts/portability.sh                every target
#   scripts/portability.sh NAME...        some of them, by the names in the table
#   scripts/portability.sh in COMMAND     a shell command inside, in a copy of the sources
#
# A Debian 13 of its own has the cross compilers, wine and qemu: ~/.cache/asyncguest/portability, or the folder that
# ASYNCGUEST_PORTABILITY names. It is made once (4 GB; some minutes) and kept between runs, with what was built in it.
# Tests run as they are, each program with a limit of time; what a system leaves out stands with its reason on the line of
# its cfg or #ifndef in the tests, and is listed below the table. Logs are in build/logs/portability. What is for Windows alone
# is in scripts/portability. The Python package's row, `python`, also wants what scripts/wheels.sh does: PyPI, and rustup. Three are
# not among the targets unless they are named: `conformance`, CPython's own tests of asyncio, which wants a CPython 3.13 with its own
# tests; `hosts`, the Python hosts on their toolkits; and `pictures` of these and of the demo, which wants Xvfb.
#
# Ends with 77 where it cannot run; the last line says why. Else the last line counts: "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/chroot.sh
. scripts/portability/windows.sh
. scripts/portability/python.sh

root=$PWD
chroot=$(realpath -m -- "${ASYNCGUEST_PORTABILITY:-${XDG_CACHE_HOME:-$HOME/.cache}/asyncguest/portability}")
logs=$root/build/logs/portability
packages="ca-certificates rustc cargo rust-src gcc libc6-dev gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix
    cmake make pkgconf wine wine64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
limit=300 # seconds for one test program
export LC_ALL=C

cannot() { # REASON
    echo "portability.sh: skipped: $1"
    exit 77
}

# ---- the Debian of its own

make_chroot() {
    # It says by which recipe it was made: another one mends it.
    [ "$(cat "$chroot/made-by-portability.sh" 2>/dev/null)" != "$packages, no display" ] || return 0
    local from
    from=$(mirror)
    from=${from:-http://deb.debian.org/debian}
    [ ! -e "$chroot" ] || [ -e "$chroot/made-by-portability.sh" ] ||
        cannot "$chroot is something else: move it away, or set ASYNCGUEST_PORTABILITY to another folder"
    echo "portability.sh: making $chroot; see ${logs#"$root/"}/setup.log"
    # debootstrap does not go on with half of a system.
    [ -e "$chroot/usr/bin/apt-get" ] && [ ! -e "$chroot/debootstrap" ] || rm -rf --one-file-system "$chroot"
    mkdir -p "$chroot"
    : >"$chroot/made-by-portability.sh"
    [ -e "$chroot/usr/bin/apt-get" ] ||
        timeout 900 debootstrap --variant=minbase --include=ca-certificates trixie "$chroot" "$from" >"$logs/setup.log" 2>&1 ||
        cannot "debootstrap has failed, mostly for its mirror, or took 15 minutes: see ${logs#"$root/"}/setup.log"
    copy_settings "$chroot" "$from" trixie >>"$logs/setup.log" 2>&1
    mount_all
    inside 600 "apt-get update -qq" >>"$logs/setup.log" 2>&1 || cannot "the mirror $from cannot be reached"
    inside 900 "dpkg --configure -a && apt-get install -y --no-install-recommends ${packages//$'\n'/ } && apt-get clean" >>"$logs/setup.log" 2>&1 ||
        cannot "the packages cannot be installed: see ${logs#"$root/"}/setup.log"
    # Debian has no compiled standard library for Windows. It is built with the crate; these two objects are not.
    inside 120 "d=/usr/lib/rustlib/x86_64-pc-windows-gnu/lib; mkdir -p \$d
        for name in rsbegin rsend; do rustc --edition 2021 --crate-type rlib --target x86_64-pc-windows-gnu --emit=obj \
            -o \$d/\$name.o /usr/lib/rustlib/src/rust/library/rtstartup/\$name.rs; done" >>"$logs/setup.log" 2>&1 ||
        cannot "the start-up objects cannot be built: see ${logs#"$root/"}/setup.log"
    # Windows that nobody sees: no display is needed.
    inside 300 "timeout 200 wineboot -i; wine reg add 'HKCU\\Software\\Wine\\Drivers' /v Graphics /d null /f; wineserver -w" \
        >>"$logs/setup.log" 2>&1 || cannot "wine does not start: see ${logs#"$root/"}/setup.log"
    echo "$packages, no display" >"$chroot/made-by-portability.sh"
}

# In a namespace of this script's own: no other process sees these mounts, and they end with the last process in it.
mount_all() {
    mountpoint -q "$chroot/proc" && return
    mount -t proc proc "$chroot/proc" # wine needs both
    mount --rbind /dev "$chroot/dev"
}

inside() { # SECONDS COMMAND
    local kept ca=/etc/ssl/certs/ca-certificates.crt
    mapfile -t kept < <(kept_variables)
    timeout -k 10 "$1" chroot "$chroot" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive SSL_CERT_FILE=$ca CARGO_HTTP_CAINFO=$ca XDG_RUNTIME_DIR=/root "${kept[@]}" \
        CARGO_TERM_COLOR=never CARGO_TARGET_DIR=/target CARGO_BUILD_JOBS=2 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=/usr/bin/x86_64-w64-mingw32-gcc WINDRES=x86_64-w64-mingw32-windres \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="timeout -k 5 $limit wine" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout -k 5 $limit qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        WINEPREFIX=/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winedbg.exe=' \
        /bin/bash -c "mkdir -p /crate && cd /crate && $2" </dev/null
}

# The sources as they are here, also those that are not committed. What has not changed keeps its time, and what has is new:
# the time that it has here may be before that of what was built of another checkout.
copy_sources() {
    mkdir -p "$chroot/crate"
    git ls-files --cached --others --exclude-standard -z -- src tests include benches examples bindings/cpp \
        bindings/python/tests bindings/python/conformance bindings/python/pyproject.toml bindings/node cmake CMakeLists.txt \
        scripts/portability scripts/quarantine.py build.rs 'Cargo.*' cbindgen.toml '*.md' |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        sort -z >"$chroot/sources"
    find "$chroot/crate" -type f -printf '%P\0' | sort -z | comm -z -23 - "$chroot/sources" |
        (cd "$chroot/crate" && xargs -0r rm -f --)
    while IFS= read -r -d '' file; do
        cmp -s -- "$file" "$chroot/crate/$file" || printf '%s\0' "$file"
    done <"$chroot/sources" | xargs -0r cp --preserve=mode --parents -t "$chroot/crate" --
}

# ---- the table

columns='%-34s %-8s %-6s %-7s %-6s %7s %7s'
passed=0
failed=0
rows=()
notes=()

# Cargo builds std with the crate, since Debian has it compiled for few systems.
std=-Zbuild-std=std,panic_unwind,test

step() { # LOG SECONDS COMMAND: ok, FAIL or late; what it took goes to the log `times`: real, user, system
    local TIMEFORMAT="%R %U %S $1"
    { time inside "$2" "$3" >"$logs/$1.log" 2>&1; } 2>>"$logs/times"
    case $? in
        0) echo ok ;;
        124 | 137) echo late ;;
        *) echo FAIL ;;
    esac
}

# What was built was checked with it.
row() { # TARGET CHECKED BUILT LINKED RUN PASSED FAILED
    # shellcheck disable=SC2059 # the columns are a format
    rows+=("$(printf "$columns" "$@")")
    local word
    for word in "${@:2:4}"; do
        [[ $word != FAIL && $word != late ]] || failed=$((failed + 1))
    done
    [[ $6 == - ]] || passed=$((passed + $6))
    [[ $7 == - ]] || failed=$((failed + $7))
}

# How many tests a log tells of. A program without a last line has ended before its time, which counts as one that failed.
count() { # LOG...
    awk '/^     Running/ { open += 1 } /^test result: / { good += $4; bad += $6; open -= 1 }
         END { print good + 0, bad + open + 0 }' "$@"
}

# Runs the tests of a target; `passed failed`. What does not compile, or has no tests, has one that failed.
tests() { # LOG TARGET SECONDS OPTIONS-OF-CARGO OPTIONS-OF-THE-PROGRAM
    local outcome good bad
    outcome=$(step "$1" "$3" "cargo test $std --target $2 --no-fail-fast $4 -- --test-threads=1 ${5:-}")
    read -r good bad <<<"$(count "$logs/$1.log")"
    [ "$bad" != 0 ] || { [ "$outcome" = ok ] && [ "$good" != 0 ]; } || bad=1
    echo "$good $bad"
}

aarch64() {
    local target=aarch64-unknown-linux-gnu built run=ok counts
    built=$(step aarch64-build 900 "cargo build $std --target $target")
    # qemu keeps the last signal for itself.
    local kept=sys::unix::thread::tests::the_new_thread_blocks_all_but_the_faults_and_its_maker_what_it_did
    read -r -a counts <<<"$(tests aarch64-tests $target 900 --lib "--skip $kept")"
    [ "${counts[1]}" = 0 ] || run=FAIL
    row "$target" "$built" "$built" - $run "${counts[@]}"
    notes+=("$target: ${kept##*::}: qemu-user keeps signal 64 for itself")
}

# Checked only; or refused by the build script in one sentence, which is no failure.
checked() { # TARGET
    local outcome
    outcome=$(step "check-$1" 900 "cargo check $std --target $1")
    if [ "$outcome" = FAIL ] && grep -q 'libasyncguest runs on 64-bit Linux' "$logs/check-$1.log"; then
        outcome="no"
        notes+=("$1: does not compile yet: no folder in src/sys; the build script says so in one sentence")
    fi
    row "$1" "$outcome" - - - - -
}

main() {
    local began=$SECONDS name
    make_chroot
    local set_up=$((SECONDS - began))
    began=$SECONDS
    mount_all
    copy_sources
    inside 600 "cargo fetch $std --target x86_64-pc-windows-gnu" >"$logs/fetch.log" 2>&1 ||
        cannot "cargo cannot fetch what the library is made of: see ${logs#"$root/"}/fetch.log"
    if [ "${1:-}" = in ]; then
        inside 3600 "$2"
        exit
    fi
    : >"$logs/times"
    [ $# != 0 ] || set -- windows python x86_64-pc-windows-msvc aarch64 aarch64-apple-darwin x86_64-unknown-freebsd aarch64-linux-android
    [[ " $* " != *" python "* ]] || begin_wheel
    for name in "$@"; do
        case $name in
            windows | x86_64-pc-windows-gnu) windows ;;
            python) python_package ;;
            conformance) python_conformance ;;
            hosts) python_hosts ;;
            pictures) python_pictures ;;
            aarch64 | aarch64-unknown-linux-gnu) aarch64 ;;
            *) checked "$name" ;;
        esac
    done
    # shellcheck disable=SC2059 # the columns are a format
    printf '%s\n' "$(printf "$columns" target checked built linked run passed failed)" "${rows[@]}"
    [ ${#notes[@]} = 0 ] || printf '%s\n' "left out, and why:" "${notes[@]/#/  }"
    echo "set-up $set_up s, run $((SECONDS - began)) s, $(awk '{ sum += $2 + $3 } END { print int(sum) }' "$logs/times") s of" \
        "processor time, by steps in ${logs#"$root/"}/times"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

[ "$(id -u)" = 0 ] || cannot "chroot and mount want root"
[ "$(uname -m)" = x86_64 ] || cannot "written for x86-64"
command -v apt-get >/dev/null || cannot "written for Debian"
for command in debootstrap unshare; do
    command -v "$command" >/dev/null || apt-get install -y --no-install-recommends "$command" >/dev/null 2>&1 ||
        cannot "$command is missing and cannot be installed"
done
mkdir -p "$logs" "$(dirname "$chroot")"
if [ -z "${ASYNCGUEST_PORTABILITY_NAMESPACE:-}" ]; then
    # Two at once would mix their sources. Held by what follows, until the last process has ended.
    exec 9>"$chroot.lock"
    flock -n 9 || cannot "another run works in $chroot"
    # unshare ignores the signals by which a run is ended; with it ends all that is inside.
    ASYNCGUEST_PORTABILITY_NAMESPACE=1 unshare --mount-proc --pid --fork --kill-child scripts/portability.sh "$@" &
    trap 'kill -KILL $!; exit 143' TERM
    trap 'kill -KILL $!; exit 130' INT
    trap 'kill -KILL $!; exit 129' HUP
    wait $!
    exit
fi
main "$@"; exit # in one line: bash reads on, and the file may have changed meanwhile
