#!/usr/bin/env bash
# Holds README.md and docs/ to the truth: compiles every snippet of theirs, runs those that are marked so, and looks
# up every function, test and file that they name.
#
#   docs/check_snippets.sh [DIRECTORY]    where libasyncguest.so is; default target/release
#
# A snippet is a fenced block after a line <!-- snippet NAME: c++20, PACKAGE..., nested LOOP, run -->. Packages are pkg-config
# modules, or wx-config, or asio.hpp; one that is missing skips the snippet and says so. The language of a C++ snippet is C++17
# unless it says otherwise. With "nested" it runs once more, with its ticks behind a dialog: tests/hosting/nested.h.
set -euo pipefail
cd "$(dirname "$0")/.."

library=$(realpath "${1:-target/release}")
if [ ! -e "$library/libasyncguest.so" ]; then
    echo "docs: no libasyncguest.so in $library: run cargo build --release first, or name its directory" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
    echo "docs: $*" >&2
    failed=1
}

# Writes each snippet of page $1 to its file, and prints "NAME: PACKAGE..., run".
extract() {
    awk -v work="$work" '
        /^<!-- snippet / { header = $0; sub(/^<!-- snippet /, "", header); sub(/ *-->$/, "", header); next }
        /^```/ && header != "" && !inside { inside = 1; file = header; sub(/:.*/, "", file); print header; next }
        /^```(c|cpp)$/ { print "UNMARKED " FILENAME ":" FNR; next }
        /^```/ && inside { inside = 0; header = ""; close(work "/" file); next }
        inside { print > (work "/" file) }' "$1"
}

# Does that with file $2, called $1, by the words of check.
try() {
    # shellcheck disable=SC2086 # both are lists of words
    if ! $compile -Wall -Wextra -Werror -Iinclude -o "${2%.*}" "$2" $flags \
        -L"$library" -lasyncguest -Wl,-rpath,"$library"; then
        complain "$1 does not compile"
    elif [ "$runs" = 0 ]; then
        echo "compiled  $1"
    elif ! SDL_VIDEODRIVER=dummy LD_LIBRARY_PATH=$library timeout 20 "${2%.*}" >"$work/output" 2>&1; then
        cat "$work/output" >&2
        complain "$1 does not run"
    elif [ "$(grep -c tick "$work/output")" != 3 ]; then
        cat "$work/output" >&2
        complain "$1 does not tick three times"
    else
        echo "ran       $1"
    fi
}

# Compiles and, if it is marked so, runs one snippet.
check() {
    local name=${1%%:*} needs runs=0 nested flags="" compile standard=c++17
    case $1 in *run) runs=1 ;; esac
    nested=$(sed -n 's/.*[:,] nested \([a-z]*\).*/\1/p' <<<"$1")
    case $1 in *c++20*) standard=c++20 ;; esac
    needs=$(tr ',' '\n' <<<"${1#"$name"}" | tr -d ': ' | grep -vx -e run -e "nested$nested" -e 'c++[0-9]*' -e '' || true)
    case $name in
        *.h) return ;; # the others include it
        *.cpp) compile="c++ -std=$standard -fPIC -Ibindings/cpp/include" ;;
        *) compile="cc -std=c11 -D_GNU_SOURCE" ;;
    esac
    if [ "$runs" = 0 ]; then compile+=" -fsyntax-only"; fi
    if [ "$needs" = windows.h ]; then
        case $name in
            *.cpp) compile="${MINGW_CXX:-x86_64-w64-mingw32-g++} -std=$standard -Ibindings/cpp/include -fsyntax-only" ;;
            *) compile="${MINGW_CC:-x86_64-w64-mingw32-gcc} -std=c11 -fsyntax-only" ;;
        esac
        if ! command -v ${compile%% *} >/dev/null; then
            echo "skipped   $name: ${compile%% *} is missing"
        elif $compile -Wall -Wextra -Werror -Iinclude "$work/$name"; then
            echo "compiled  $name, for Windows"
        else
            complain "$name does not compile"
        fi
        return
    fi
    if [ "$needs" = wx-config ] && command -v wx-config >/dev/null; then
        flags=$(wx-config --cxxflags --libs core,base)
        flags=${flags//-I/-isystem }
    elif [ "$needs" = asio.hpp ] && [ -e /usr/include/asio.hpp ]; then
        flags=-pthread
    elif [ -n "$needs" ]; then
        if ! command -v pkg-config >/dev/null || ! flags=$(pkg-config --cflags --libs "$needs" 2>/dev/null); then
            echo "skipped   $name: pkg-config does not find $needs"
            return
        fi
        flags=${flags//-I/-isystem } # their headers are not held to our warnings
    fi
    try "$name" "$work/$name"
    if [ -n "$nested" ]; then
        mkdir -p "$work/nested"
        cp tests/hosting/nested.h "$work/nested/ticks.h"
        cp "$work/$name" "$work/nested/"
        compile+=" -DNESTED_$nested"
        try "$name, nested" "$work/nested/$name"
    fi
}

# The loader asks for the soname; a bare cargo build does not make that name.
if [ ! -e "$library/libasyncguest.so.0" ]; then
    mkdir "$work/lib"
    cp "$library/libasyncguest.so" "$work/lib/"
    ln -s libasyncguest.so "$work/lib/libasyncguest.so.0"
    library=$work/lib
fi

for page in README.md docs/hosting.md docs/abi.md docs/streams.md docs/cpp.md docs/hosts/cpp-*.md; do
    extract "$page" >"$work/list"
    while IFS= read -r snippet; do
        case $snippet in
            UNMARKED*) complain "${snippet#UNMARKED }: a snippet without a name" ;;
            *) check "$snippet" ;;
        esac
    done <"$work/list"
done

# What docs/hosting.md names and does not print.
cp tests/hosting/*.c tests/hosting/*.cpp "$work"
for host in "watch_qt.cpp: Qt6Core, nested qt, run" "watch_tcl.c: tcl, nested tcl, run" "watch_epoll.c: nested epoll, run" \
    "frames_sdl.c: sdl2, nested frames, run"; do
    check "$host"
done

# What the pages name exists.
pages=(README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs/*.md docs/hosts/*.md)
for name in $(grep -ohE '\b(guest|GUEST)_[A-Za-z0-9_]*[A-Za-z0-9]\b' "${pages[@]}" | sort -u); do
    [ "$name" != GUEST_BLESS ] || continue # a variable of the tests
    grep -qw -e "$name" include/*.h || grep -qE "\b${name}_" include/*.h || complain "no $name in include"
done
for test in $(grep -ohE '^\| R[0-9]+ .*' docs/abi.md | grep -oE '`[a-z0-9]+_[a-z0-9_]+\*?`' | tr -d '`'); do
    case $test in guest_*) continue ;; esac
    pattern=${test/%\*/[a-z0-9_]*}
    grep -rqE "^TEST\($pattern\)" tests/c || grep -qE "^fn $pattern\(\)" tests/*.rs tests/guest/*.rs ||
        complain "docs/abi.md: no test $test in tests"
done
for page in "${pages[@]}"; do
    for link in $(grep -oE '\]\([^)#: ]+[)#]' "$page" | sed -E 's/^\]\(//; s/[)#]$//'); do
        [ -e "$(dirname "$page")/$link" ] || complain "$page: no file $link"
    done
done
if [ "$failed" = 0 ]; then echo "docs: all true as far as a script can tell"; fi
exit "$failed"
