#!/usr/bin/env bash
# The files of a release for PyPI: a wheel for each Linux and each Windows, the sdist, what the auditing tools say of them, and each wheel
# started once. `make wheels`; the products are in build/wheels.
#
#   scripts/wheels.sh                     all
#   scripts/wheels.sh TARGET...           some wheels, by Rust's names: aarch64-unknown-linux-musl
#   scripts/wheels.sh start [TARGET...]   audits and starts what is in build/wheels
#
# maturin and zig come from PyPI; zig is the linker, and knows the symbols of a glibc from 2012. Other targets than this
# machine's need rustup, which fetches their standard library. A wheel for another processor is started with Debian's
# Python under qemu-user, if that is installed; one for musl with a Python that scripts/musl.sh builds; the one for x86-64
# Windows by scripts/portability.sh, which has wine; the one for Windows on ARM nowhere.
set -uo pipefail
cd "$(dirname "$0")/.."

. scripts/pythons.sh
. scripts/chroot.sh
. scripts/musl.sh

wheels=$root/build/wheels
machine=$(uname -m)
host=$(rustc -vV | sed -n 's/^host: //p')
tools=$out/venv-wheels/bin

# One wheel. The tags for Linux are what every distribution and pip of these years can take.
build() { # TARGET
    local options=(--zig --compatibility "$(policy "$1")")
    if [ "$1" != "$host" ] && ! add_target "$1"; then
        echo "its standard library is missing: rustup target add $1"
        return 77
    fi
    (
        PATH=$tools:$PATH
        if [[ $1 == *-windows-* ]]; then
            link_for_windows "$1"
            options=()
        fi
        cd "$package" && CARGO_TARGET_DIR=$root/target/wheels \
            logged "wheels-$1" maturin build --release --locked --target "$1" --out "$wheels" "${options[@]}"
    )
}

# zig as maturin wraps it, but not by --zig: for Windows that has the linker export the module by its name with the dot, which
# no symbol has.
link_for_windows() { # TARGET
    local folder=$out/zig-windows target=${1%%-*}-windows-gnu linker=CARGO_TARGET_${1^^}_LINKER
    mkdir -p "$folder"
    ln -sf "$tools/maturin" "$folder/x86_64-w64-mingw32-dlltool" # what it is depends on the name; other targets need none
    printf '#!/bin/sh\nexec maturin zig cc -- -target %s "$@"\n' "$target" >"$folder/$target"
    chmod +x "$folder/$target"
    PATH=$folder:$PATH
    export "${linker//-/_}=$folder/$target" CARGO_ZIGBUILD_TARGET=$target
    export CARGO_ZIGBUILD_ZIG_COMMAND=$tools/python3 CARGO_ZIGBUILD_ZIG_COMMAND_ARGS='-m ziglang'
    CARGO_ZIGBUILD_ZIG_VERSION=$("$tools/python3" -m ziglang version)
    export CARGO_ZIGBUILD_ZIG_VERSION
}

policy() { # TARGET
    case $1 in
        *-musl) echo musllinux_1_2 ;;
        *) echo manylinux_2_17 ;;
    esac
}

tag() { # TARGET
    case $1 in
        x86_64-pc-windows-*) echo win_amd64 ;;
        aarch64-pc-windows-*) echo win_arm64 ;;
        *) echo "$(policy "$1")_${1%%-*}" ;;
    esac
}

add_target() { # TARGET
    command -v rustup >/dev/null || return
    rustup target list --installed | grep -x "$1" >/dev/null || logged "wheels-rustup" rustup target add "$1"
}

is_musl() { # this machine's Python
    "$python" -c 'import sys, sysconfig; sys.exit("musl" not in sysconfig.get_config_var("HOST_GNU_TYPE"))'
}

# Starts one, installed as pip does that there; says with which Python, or why not.
start() { # TARGET TAG
    local folder=$wheels/started/$1 arch=${1%%-*} runner=("$python")
    if [[ $1 == *-windows-* ]]; then
        if [ "$arch" = x86_64 ]; then echo "started by: scripts/portability.sh python"; else echo "not started: no Windows for $arch here"; fi
        return
    elif [ "$arch" != "$machine" ] && ! { command -v "qemu-$arch" && command -v apt-get; } >/dev/null; then
        echo "not started: needs Debian's qemu-user"
        return
    elif [[ $1 == *-musl ]] && ! is_musl; then
        if ! can_build_musl_python "$arch"; then
            echo "not started: one of musl is built by a CPython $musl_version, on Debian"
            return
        fi
        musl_python "$arch" || return
        runner=("$(musl_folder "$arch")/bin/python$musl_version")
    elif [ "$arch" != "$machine" ]; then
        foreign_python "$arch" || return
        runner=(-L "$out/foreign-$arch" "$(echo "$out/foreign-$arch"/usr/bin/python3.??)")
    fi
    [ "$arch" = "$machine" ] || runner=("qemu-$arch" "${runner[@]}")
    rm -rf "$folder"
    logged wheels-pip "$tools/python" -m pip install --no-index --no-deps --find-links "$wheels" --target "$folder" --only-binary :all: \
        --implementation cp --python-version 3.11 --abi abi3 --platform "$2" asyncguest || return
    (cd "$folder" && PYTHONPATH=$folder logged "wheels-start-$1" "${runner[@]}" - <"$package/build_support/started.py") || return
    tail -n 1 "$out/logs/wheels-start-$1.log"
}

# Debian's Python for another processor, unpacked and not installed, and kept.
foreign_python() { # ARCH
    local folder=$out/foreign-$1 state deb arch=$1 options
    [ ! -e "$folder/complete" ] || return 0
    [ "$arch" != aarch64 ] || arch=arm64
    state=$(mktemp -d)
    rm -rf "$folder"
    mkdir -p "$state"/{lists,cache/archives/partial} "$folder"
    : >"$state/status"
    options=(-qq -y -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$state" -o Dir::Cache="$state/cache"
        -o Dir::State::status="$state/status" -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Debug::NoLocking=true)
    logged wheels-apt apt-get "${options[@]}" update &&
        logged wheels-apt apt-get "${options[@]}" --download-only install python3 || return
    for deb in "$state"/cache/archives/*.deb; do
        dpkg-deb -x "$deb" "$folder" || return
    done
    rm -rf "$state"
    : >"$folder/complete"
}

# What was built: audited and started.
prove() { # TARGET
    local tag file judged
    tag=$(tag "$1")
    file=$(echo "$wheels"/*"$tag.whl")
    if [ ! -e "$file" ]; then
        echo "is not in build/wheels: scripts/wheels.sh $1"
        return 1
    fi
    # auditwheel knows Linux alone, and opens the libc of the machine that it runs on; where that is glibc, maturin alone
    # judges musl's wheel.
    judged=$tag
    [[ $1 != *-windows-* ]] || judged=unknown
    [[ $1 != *-musl ]] || is_musl || judged=unknown
    printf '%s: ' "${file##*/}"
    audit "$file" "$judged" && start "$1" "$tag"
}

sdist() {
    PATH=$tools:$PATH logged wheels-sdist "$tools/maturin" sdist --manifest-path "$package/Cargo.toml" --out "$wheels" &&
        logged twine "$out/venv-audit/bin/twine" check --strict "$wheels"/*.tar.gz && (cd "$wheels" && echo *.tar.gz)
}

failed=0
row() { # NAME COMMAND...
    local said name=$1
    shift
    said=$("$@")
    case $? in
        0) echo "ok    $name   $said" ;;
        77) echo "skip  $name   $said" ;;
        *)
            echo "FAIL  $name   $said"
            failed=1
            ;;
    esac
}

wheel() { # TARGET
    build "$1" && prove "$1"
}

python=$(interpreters | head -n 1 | cut -d ' ' -f 2)
if [ -z "$python" ]; then
    echo "wheels.sh: there is no CPython 3.11 or newer here"
    exit 1
fi
venv wheels "$python" "$package/build_support/wheels.txt" && venv audit "$python" "$package/build_support/audit.txt" || exit
mode=wheel
if [ "${1:-}" = start ]; then
    mode=prove
    shift
fi
[ $# != 0 ] || set -- {x86_64,aarch64}-unknown-linux-{gnu,musl} x86_64-pc-windows-gnu aarch64-pc-windows-gnullvm
[ "$mode" != wheel ] || rm -rf "$wheels"
mkdir -p "$wheels"
for target in "$@"; do
    row "$target" "$mode" "$target"
done
[ "$mode" != wheel ] || row sdist sdist
exit "$failed"
