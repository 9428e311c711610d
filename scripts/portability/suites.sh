#!/usr/bin/env bash
# The tests in C and C++ for Windows, built by MinGW-w64 and run by wine. scripts/portability/windows.sh calls it in its Debian:
#
#   suites.sh link TARGET               a program without a window and two with one: with the DLL, or the static library
#   suites.sh programs TARGET           runs them
#   suites.sh c TARGET                  tests/c, each test in a process of its own: with the DLL, and what ends a guest or the
#                                       process with the static library too; a panic, with the hooks for it
#   suites.sh cpp TARGET                the tests of the C++ binding likewise, and the Win32 host on every host's stage
#   suites.sh example TARGET URL...     the window that downloads, from these
#
# The last line counts: "N passed, N failed".
set -uo pipefail
suite=$1
target=$2
shift 2
crate=$PWD
limit=900 # seconds for one program, which is to end one that hangs: modal.c takes minutes beside other load
good=0
bad=0

cd "/target/$target/debug" || exit
read -r -a private <<<"$(sed -n 's/^Libs.private: //p' /target/cmake/asyncguest.pc)"
libraries=("${private[@]}" -static -lstdc++ -lpthread)
flags=(-Wall -Wextra -Werror -D_WIN32_WINNT=0x0A00 -DPACKAGE_VERSION="\"$(sed -n 's/^version = "\(.*\)"/\1/p' "$crate/Cargo.toml")\""
    -I"$crate/include" -I"$crate/bindings/cpp/include" -I"$crate/tests/c" -I"$crate/tests/cpp")

c() { x86_64-w64-mingw32-gcc-posix -std=gnu11 -O1 "${flags[@]}" "$@" || exit; }
cpp() { x86_64-w64-mingw32-g++-posix "${flags[@]}" "$@" || exit; } # -std=...

# The tests of a program whose names match. One that does not list them has failed.
tests() { # PROGRAM PATTERN
    local name names log
    names=$(wine "./$1.exe" 2>&1 | tr -d '\r' | sed -n 's/^  //p' | grep -E "$2")
    [ -n "$names" ] || bad=$((bad + 1))
    for name in $names; do
        log=$suite/$1.$name.log
        if timeout 60 wine "./$1.exe" "$name" >"$log" 2>&1; then good=$((good + 1)); else
            bad=$((bad + 1))
            echo "FAIL $1 $name"
        fi
        sed "s/^/$name: /" "$log"
    done
}

# Of tests/: each with the library that it is linked with.
windows="portability:asyncguest.dll.a portability:asyncguest.a win32:asyncguest.dll.a win32:asyncguest.a win32/modal:asyncguest.dll.a"

link() {
    local name
    for name in $windows; do # as C99, without the names of this compiler
        x86_64-w64-mingw32-gcc-posix -std=c99 -O1 -Wall -Wextra -Werror -I"$crate/include" -o "link/$(basename "${name/:/-}").exe" \
            "$crate/tests/${name%:*}.c" "lib${name#*:}" "${private[@]}" || exit
    done
}

# Those that count say so in their last lines.
programs() {
    local name log ended further failures
    for name in $windows; do
        name=$(basename "${name/:/-}")
        log=programs/$name.log
        timeout "$limit" wine "link/$name.exe" >"$log" 2>&1
        ended=$?
        sed "s/^/$name: /" "$log"
        read -r further failures <<<"$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\r*$/\1 \2/p' "$log")"
        good=$((good + ${further:-$((ended == 0))}))
        bad=$((bad + ${failures:-0}))
        [ $ended = 0 ] || [ "${failures:-0}" != 0 ] || bad=$((bad + 1))
    done
}

c_tests() {
    local file name
    local frame=(c/callbacks.o c/harness.o c/main.o c/probe.o c/system_windows.o c/toy.o)
    for file in "$crate"/tests/c/*.c "$crate"/tests/c/windows/*.c; do
        name=$(basename "$file" .c)
        case $name in
            fork | header | system_posix | wire | listeners | streams | stream_* | udp) ;;
            panic) c -c -o c/panic.hooks "$file" ;;
            *) c -c -o "c/$name.o" "$file" ;;
        esac
    done
    cpp -std=gnu++17 -c -o c/exception.o "$crate/tests/c/exception.cpp"
    c -o c_tests.exe c/*.o libasyncguest.dll.a "${libraries[@]}"
    c -o c_tests_static.exe c/*.o libasyncguest.a "${libraries[@]}"
    c -o c_tests_hooks.exe "${frame[@]}" c/panic.hooks libasyncguest_hooks.a "${libraries[@]}"
    tests c_tests .
    tests c_tests_static '^(exit|free)_'
    tests c_tests_hooks .
}

cpp_tests() {
    local older file name standard
    older=$(sed -n 's/^add_cpp_hazard(\(.*\)\.cpp 17)$/\1/p' "$crate/tests/cpp/CMakeLists.txt")
    for standard in 17 20; do
        cpp -std=c++$standard -DUNICODE -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -fsyntax-only \
            -x c++ "$crate/bindings/cpp/include/asyncguest/win32.hpp"
    done
    for name in harness main system_windows; do
        c -c -o "cpp/$name.o" "$crate/tests/c/$name.c"
    done
    for file in "$crate"/tests/cpp/*.cpp; do
        name=$(basename "$file" .cpp)
        case $name in header | listeners | streams | stream_*) continue ;; esac
        standard=20
        [[ $'\n'$older$'\n' != *$'\n'$name$'\n'* ]] || standard=17
        cpp -std=c++$standard -o "cpp_$name.exe" "$file" cpp/*.o libasyncguest.dll.a "${libraries[@]}"
        tests "cpp_$name" .
    done
    cpp -std=c++20 -o cpp_host.exe "$crate/tests/cpp/hosts/win32.cpp" cpp/harness.o cpp/system_windows.o libasyncguest.a "${libraries[@]}"
    timeout "$limit" wine ./cpp_host.exe thread >cpp/host.log 2>&1 || bad=$((bad + 1))
    cat cpp/host.log
    good=$((good + $(grep -c '^ok ' cpp/host.log)))
}

# Its box stands for a second, and the downloads go on.
example() { # URL...
    cpp -std=c++20 -o fetch_win32.exe "$crate/examples/cpp/fetch_win32.cpp" "$crate/examples/cpp/download.cpp" libasyncguest.a \
        "${libraries[@]}" -lcomctl32 -lgdi32 -lbcrypt
    if timeout "$limit" wine ./fetch_win32.exe --linger 0 --dialog 1 "$@" >example/log 2>&1 &&
        grep -qE '^dialog: [1-9][0-9]{5,} bytes' example/log; then good=1; else bad=1; fi
    cat example/log
}

rm -rf "$suite"
mkdir "$suite"
case $suite in
    link) link ;;
    programs) programs ;;
    c) c_tests ;;
    cpp) cpp_tests ;;
    example) example "$@" ;;
esac
[ "$suite" = link ] || [ $good != 0 ] || bad=1
echo "$good passed, $bad failed"
