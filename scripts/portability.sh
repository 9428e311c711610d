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
# its cfg in tests/guest, and is listed below the table. Logs are in build/logs/portability.
#
# Ends with 77 where it cannot run; the last line says why. Else the last line counts: "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/chroot.sh

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
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc-posix \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="timeout -k 5 $limit wine" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout -k 5 $limit qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        WINEPREFIX=/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winedbg.exe=' \
        /bin/bash -c "mkdir -p /crate && cd /crate && $2" </dev/null
}

# The sources as they are here, also those that are not committed. What has not changed keeps its time.
copy_sources() {
    mkdir -p "$chroot/crate"
    git ls-files --cached --others --exclude-standard -z -- src tests include benches examples bindings/cpp cmake CMakeLists.txt \
        build.rs 'Cargo.*' cbindgen.toml '*.md' |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        sort -z >"$chroot/sources"
    find "$chroot/crate" -type f -printf '%P\0' | sort -z | comm -z -23 - "$chroot/sources" |
        (cd "$chroot/crate" && xargs -0r rm -f --)
    xargs -0 cp -pu --parents -t "$chroot/crate" -- <"$chroot/sources"
}

# ---- the table

columns='%-34s %-8s %-6s %-7s %-6s %7s %7s'
passed=0
failed=0
rows=()
notes=()

# Cargo builds std with the crate, since Debian has it compiled for few systems.
std=-Zbuild-std=std,panic_unwind,test

step() { # LOG SECONDS COMMAND: ok, FAIL or late
    inside "$2" "$3" >"$logs/$1.log" 2>&1
    case $? in
        0) echo ok ;;
        124 | 137) echo late ;;
        *) echo FAIL ;;
    esac
}

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

# What a user on Windows builds with: the release libraries by CMake, installed, and programs of another project with them.
# They are optimised less than a user's: that takes minutes, and nothing of it is looked at here.
package() { # TARGET
    local built run good bad
    built=$(step windows-package 900 "export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
        cmake -S . -B /target/cmake --toolchain cmake/mingw-w64.cmake -DASYNCGUEST_CARGO_TARGET_DIR=/target \
        -DASYNCGUEST_CARGO_FLAGS=${std%,test} -DASYNCGUEST_BUILD_CPP_TESTS=OFF && cmake --build /target/cmake")
    run=$(step windows-install 300 "ctest --test-dir /target/cmake --output-on-failure")
    read -r bad good <<<"$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$logs/windows-install.log")"
    row "$1, CMake" - "$built" - "$run" $((${good:-0} - ${bad:-0})) "${bad:-0}"
}

# Adds to the counts of the row under way what programs say in their last lines.
add() { # LOG...
    local name further
    for name in "$@"; do
        read -r -a further <<<"$(awk '/^[0-9]+ passed, [0-9]+ failed\r?$/ { good += $1; bad += $3 } END { print good + 0, bad + 0 }' "$logs/$name.log")"
        counts=($((counts[0] + further[0])) $((counts[1] + further[1])))
    done
}

# The C tests, each in a process of its own: with the DLL, and what ends a guest or the process with the static library too.
c_suite() { # TARGET
    local left_out="fork header panic system_posix" file name
    local files=()
    for file in tests/c/*.c tests/c/windows/*.c; do
        name=$(basename "$file" .c)
        [[ " $left_out " == *" $name "* ]] || files+=("/crate/$file")
    done
    step windows-c 1200 "cd /target/$1/debug && rm -rf c && mkdir c
        (cd /crate && cargo rustc $std --target $1 --target-dir /target/hooks --lib --crate-type staticlib --features test-hooks) || exit
        flags='-O1 -Wall -Wextra -Werror -D_WIN32_WINNT=0x0A00 -DPACKAGE_VERSION=\"$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)\"
            -I/crate/include -I/crate/tests/c'
        libraries='-lws2_32 -lntdll -luserenv -lbcrypt -static -lstdc++ -lpthread'
        x86_64-w64-mingw32-g++-posix \$flags -std=gnu++17 -c -o c/exception.o /crate/tests/c/exception.cpp || exit
        for file in ${files[*]} /crate/tests/c/panic.c; do
            x86_64-w64-mingw32-gcc-posix \$flags -std=gnu11 -c -o c/\$(basename \$file .c).o \$file || exit
        done
        mv c/panic.o c/panic.hooks
        frame='c/callbacks.o c/harness.o c/main.o c/probe.o c/system_windows.o c/toy.o'
        x86_64-w64-mingw32-gcc-posix -o c_tests.exe c/*.o libasyncguest.dll.a \$libraries &&
            x86_64-w64-mingw32-gcc-posix -o c_tests_static.exe c/*.o libasyncguest.a \$libraries &&
            x86_64-w64-mingw32-gcc-posix -o c_tests_hooks.exe \$frame c/panic.hooks /target/hooks/$1/debug/libasyncguest.a \$libraries || exit
        good=0 bad=0
        tests() { # PROGRAM PATTERN
            for name in \$(wine ./\$1.exe 2>&1 | tr -d '\r' | sed -n 's/^  //p' | grep -E \"\$2\"); do
                if timeout 60 wine ./\$1.exe \$name >c/\$1.\$name.log 2>&1; then good=\$((good + 1)); else
                    bad=\$((bad + 1)); echo FAIL \$1 \$name; fi
                sed \"s/^/\$name: /\" c/\$1.\$name.log
            done
        }
        tests c_tests . && tests c_tests_static '^(exit|free)_' && tests c_tests_hooks .
        [ \$good != 0 ] || bad=1
        echo \$good passed, \$bad failed" >"$logs/windows-c.outcome"
    [ "$(cat "$logs/windows-c.outcome")" = ok ] || echo "0 passed, 1 failed" >>"$logs/windows-c.log"
    notes+=("tests/c/fork.c: Windows has no fork; tests/c/glib: a library of its own"
        "tests/c: open fds and threads are not counted: tests/win32.c looks at handles, the library counts its threads")
    while IFS= read -r note; do notes+=("$note"); done < <(awk '/^#ifndef _WIN32 \/\* / {
        gsub(/^#ifndef _WIN32 \/\* | \*\/$/, ""); print FILENAME ": " $0 }' tests/c/*.c tests/c/*.cpp)
}

# The C++ binding: its tests as those of C, and the Win32 host with the scenarios that every host plays, with the static library.
cpp_suite() { # TARGET
    local header="-fsyntax-only -x c++ /crate/bindings/cpp/include/asyncguest/win32.hpp" older file name
    local files=()
    older=$(sed -n 's/^add_cpp_hazard(\(.*\)\.cpp 17)$/\1/p' tests/cpp/CMakeLists.txt)
    for file in tests/cpp/*.cpp; do
        name=$(basename "$file" .cpp)
        [ "$name" = header ] || files+=("$name")
    done
    step windows-cpp 1800 "cd /target/$1/debug && mkdir -p cpp || exit
        flags='-Wall -Wextra -Werror -D_WIN32_WINNT=0x0A00 -I/crate/include -I/crate/bindings/cpp/include -I/crate/tests/c -I/crate/tests/cpp'
        libraries='-lws2_32 -lntdll -luserenv -lbcrypt -static -lpthread'
        for standard in 17 20; do
            x86_64-w64-mingw32-g++-posix \$flags -std=c++\$standard -DUNICODE -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
                -Wold-style-cast $header || exit; done
        for name in harness main system_windows; do
            x86_64-w64-mingw32-gcc-posix \$flags -std=gnu11 -c -o cpp/\$name.o /crate/tests/c/\$name.c || exit; done
        standard() { case \" ${older//$'\n'/ } \" in *\" \$1 \"*) echo 17 ;; *) echo 20 ;; esac }
        good=0 bad=0
        for program in ${files[*]}; do
            x86_64-w64-mingw32-g++-posix \$flags -std=c++\$(standard \$program) -o cpp_\$program.exe /crate/tests/cpp/\$program.cpp \
                cpp/*.o libasyncguest.dll.a \$libraries || exit
            for name in \$(wine ./cpp_\$program.exe 2>&1 | tr -d '\r' | sed -n 's/^  //p'); do
                if timeout 60 wine ./cpp_\$program.exe \$name >cpp/\$name.log 2>&1; then good=\$((good + 1)); else
                    bad=\$((bad + 1)); echo FAIL \$name; cat cpp/\$name.log; fi
            done
        done
        x86_64-w64-mingw32-g++-posix \$flags -std=c++20 -o cpp_host.exe /crate/tests/cpp/hosts/win32.cpp cpp/harness.o \
            cpp/system_windows.o libasyncguest.a \$libraries || exit
        timeout $limit wine ./cpp_host.exe thread >cpp/host.log 2>&1 || bad=\$((bad + 1))
        cat cpp/host.log
        good=\$((good + \$(grep -c '^ok ' cpp/host.log)))
        echo \$good passed, \$bad failed" >"$logs/windows-cpp.outcome"
    [ "$(cat "$logs/windows-cpp.outcome")" = ok ] || echo "0 passed, 1 failed" >>"$logs/windows-cpp.log"
    while IFS= read -r note; do notes+=("tests/cpp: $note"); done < <(
        awk '/^#ifndef _WIN32 / { reason = $0; sub(/^#ifndef _WIN32 .. /, "", reason) }
             reason && /^TEST/ { gsub(/^TEST\(|\).*/, ""); print $0 ": " reason; reason = "" }' tests/cpp/*.cpp)
}

# The example, in a window that nobody sees: its box stands for a second, and the downloads go on.
example() { # TARGET
    local what value server outcome urls=()
    : >"$logs/windows-example.log"
    command -v python3 >/dev/null || {
        notes+=("examples/cpp/fetch_win32.cpp: its server wants python3")
        return
    }
    coproc SERVER { exec python3 examples/demo/server.py --seconds 2.5; }
    server=$SERVER_PID
    while read -r -u "${SERVER[0]}" what value && [ "$what" != ready ]; do
        [ "$what" != url ] || urls+=("'$value'")
    done
    outcome=$(step windows-example 600 "set -o pipefail; cd /target/$1/debug && x86_64-w64-mingw32-g++-posix -std=c++20 -Wall -Wextra -Werror \
        -D_WIN32_WINNT=0x0A00 -I/crate/include -I/crate/bindings/cpp/include -o fetch_win32.exe /crate/examples/cpp/fetch_win32.cpp /crate/examples/cpp/download.cpp \
        libasyncguest.a -lws2_32 -lntdll -luserenv -lbcrypt -lcomctl32 -lgdi32 -static -lpthread &&
        timeout $limit wine ./fetch_win32.exe --linger 0 --dialog 1 ${urls[*]} 2>&1 | tee example.log && grep -qE '^dialog: [1-9][0-9]{5,} bytes' example.log")
    kill "$server" 2>/dev/null
    [ "$outcome" = ok ] && value="1 passed, 0 failed" || value="0 passed, 1 failed"
    echo "$value" >>"$logs/windows-example.log"
}

windows() {
    local target=x86_64-pc-windows-gnu checked built linked ran run=ok counts more libraries
    # One Windows for all programs: else each starts it anew, which takes longer than most of them.
    inside 60 "wineserver -p"
    checked=$(step windows-check 900 "cargo check $std --target $target --all-targets")
    built=$(step windows-build 900 "cargo build $std --target $target")
    package $target
    libraries=$(sed -n 's/^Libs.private: //p' "$chroot/target/cmake/asyncguest.pc")
    linked=$(step windows-link 300 "cd /target/$target/debug && for kind in asyncguest.dll.a asyncguest.a; do
        for program in portability win32 win32/modal; do
            x86_64-w64-mingw32-gcc-posix -std=c99 -O1 -Wall -Wextra -Werror -I/crate/include -o \${program##*/}-\$kind.exe \
                /crate/tests/\$program.c lib\$kind $libraries || exit; done; done")
    ran=$(step windows-programs 900 "cd /target/$target/debug && for kind in asyncguest.dll.a asyncguest.a; do
        for program in portability win32 modal; do timeout $limit wine ./\$program-\$kind.exe || exit; done; done")
    c_suite $target
    cpp_suite $target
    example $target
    read -r -a counts <<<"$(tests windows-tests $target 1500 "--lib --test guest --test memory")"
    add windows-c windows-cpp windows-example windows-programs
    [ "${counts[1]}" = 0 ] && [ "$ran" = ok ] || run=FAIL
    row "$target" "$checked" "$built" "$linked" $run "${counts[@]}"
    # The form for systems whose ports cannot be waited for.
    run=ok
    more="--config 'target.$target.rustflags=[\"--cfg\",\"asyncguest_inbox\"]' --target-dir /target/inbox"
    read -r -a counts <<<"$(tests windows-inbox $target 1200 "--lib --test guest $more" "--skip drives:: --skip ended:: --skip own_work:: --skip _fd --skip pull_every_kind --skip work_closed_and_over")"
    notes+=("form inbox: what waits for guest_fd, which it does not have: drives, ended, own_work, *_fd, and two more")
    [ "${counts[1]}" = 0 ] || run=FAIL
    row "$target, form inbox" - - - $run "${counts[@]}"
    while IFS= read -r note; do notes+=("$note"); done < <(left_out)
}

# What stands behind a cfg(unix) in the tests: a whole file, or the test below, and why.
left_out() {
    awk '/^#!\[cfg\(unix\)\] \/\/ / { sub(/^#!\[cfg\(unix\)\] \/\/ /, ""); print FILENAME ": " $0; nextfile }
         /^#\[cfg\(unix\)\] \/\/ / { reason = $0; sub(/^#\[cfg\(unix\)\] \/\/ /, "", reason) }
         reason && /^fn / { name = $2; sub(/\(.*/, "", name); print FILENAME ": " name ": " reason; reason = "" }' tests/guest/*.rs tests/memory.rs
}

aarch64() {
    local target=aarch64-unknown-linux-gnu checked built run=ok counts
    checked=$(step aarch64-check 900 "cargo check $std --target $target")
    built=$(step aarch64-build 900 "cargo build $std --target $target")
    # qemu keeps the last signal for itself.
    local kept=sys::unix::thread::tests::the_new_thread_blocks_all_but_the_faults_and_its_maker_what_it_did
    read -r -a counts <<<"$(tests aarch64-tests $target 900 --lib "--skip $kept")"
    [ "${counts[1]}" = 0 ] || run=FAIL
    row "$target" "$checked" "$built" - $run "${counts[@]}"
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

# Of what this script has waited for, by what `times` says.
processor_time() {
    awk 'NR == 2 { gsub(/[ms]/, " "); print int($1 * 60 + $2 + $3 * 60 + $4) }'
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
    [ $# != 0 ] || set -- windows x86_64-pc-windows-msvc aarch64 aarch64-apple-darwin x86_64-unknown-freebsd aarch64-linux-android
    for name in "$@"; do
        case $name in
            windows | x86_64-pc-windows-gnu) windows ;;
            aarch64 | aarch64-unknown-linux-gnu) aarch64 ;;
            *) checked "$name" ;;
        esac
    done
    # shellcheck disable=SC2059 # the columns are a format
    printf '%s\n' "$(printf "$columns" target checked built linked run passed failed)" "${rows[@]}"
    [ ${#notes[@]} = 0 ] || printf '%s\n' "left out, and why:" "${notes[@]/#/  }"
    times >"$logs/times"
    echo "set-up $set_up s, run $((SECONDS - began)) s, $(processor_time <"$logs/times") s of processor time; logs in ${logs#"$root/"}"
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
    ASYNCGUEST_PORTABILITY_NAMESPACE=1 exec unshare --mount-proc --pid --fork --kill-child scripts/portability.sh "$@"
fi
main "$@"; exit # in one line: bash reads on, and the file may have changed meanwhile
