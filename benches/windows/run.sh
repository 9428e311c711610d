#!/bin/sh
# A guest beside libuv on Windows, under wine: builds both with mingw and prints a table. In the Debian of
# scripts/portability.sh:
#
#   scripts/portability.sh in benches/windows/run.sh
#
# libuv comes from Debian's source package, since Debian has no libuv for Windows. Under wine the figures say what wine's
# server takes, and nothing of Windows.
set -eu
work=/target/libuv
mkdir -p "$work"
cd "$work"
if [ ! -e build/libuv.a ]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/deb-src.list
    apt-get update -qq
    apt-get source -qq --download-only libuv1
    mkdir -p source
    tar -xzf libuv1_*.orig.tar.gz -C source --strip-components=1
    cmake -S source -B build --toolchain /crate/cmake/mingw-w64.cmake -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-w -DLIBUV_BUILD_SHARED=OFF \
        -DLIBUV_BUILD_TESTS=OFF -DLIBUV_BUILD_BENCH=OFF >/dev/null
    cmake --build build --target uv_a -j2 >/dev/null
fi
cd /crate
cargo build --quiet --release --lib -Zbuild-std=std,panic_unwind --target x86_64-pc-windows-gnu
libraries=$(sed -n 's|^ *set(asyncguest_private_libs kernel32 \(.*\))|-lkernel32 \1|p' cmake/cargo.cmake | sed 's| \([a-z]\)| -l\1|g')
# shellcheck disable=SC2086 # a list
x86_64-w64-mingw32-gcc -std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude -isystem "$work/source/include" \
    -o "$work/compare.exe" benches/windows/compare.c \
    /target/x86_64-pc-windows-gnu/release/libasyncguest.a "$work/build/libuv.a" \
    -lpsapi -luser32 -liphlpapi -lole32 -lshell32 $libraries
wine "$work/compare.exe"
