#!/usr/bin/env bash
# Looks for what the build needs, and installs what is missing with apt if it may.
#
#   scripts/setup.sh quick    for make quick
#   scripts/setup.sh demo     for make demo
#   scripts/setup.sh test     for make test and make bench: everything
#
# As root on Debian it installs just the missing packages; otherwise it prints the one command to run, and fails.
# Says nothing and takes no time when all is there.
set -euo pipefail

PATH=$PATH:$HOME/.cargo/bin # where rustup puts cargo, if no login shell has said so yet
missing=()  # Debian packages
problems=0

need_command() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}

need_module() { # PKG-CONFIG-MODULE PACKAGE
    command -v pkg-config >/dev/null && pkg-config --exists "$1" 2>/dev/null || missing+=("$2")
}

need_file() { # FILE PACKAGE
    [ -e "$1" ] || missing+=("$2")
}

need_python() { # MODULES PACKAGE
    # For the system's own interpreter; any other comes complete, and apt could not mend it.
    [ "$(python3 -c 'import sys; print(sys.base_prefix)')" = /usr ] || return 0
    python3 -c "import $1" 2>/dev/null || missing+=("$2")
}

libraries=$(/sbin/ldconfig -p 2>/dev/null || true)
need_library() { # SONAME PACKAGE
    grep -q "^[[:space:]]*$1 " <<<"$libraries" || missing+=("$2")
}

need_python_library() { # of the system's own interpreter: PyInstaller takes it along
    local version
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ "$(python3 -c 'import sys; print(sys.base_prefix)')" != /usr ] ||
        need_library "libpython$version.so.1.0" "libpython$version"
}

need_debian_python() { # MODULE PACKAGE
    # For the system's own Python, which alone has the modules that Debian packages, whatever python3 is on the path.
    [ ! -x /usr/bin/python3 ] ||
        /usr/bin/python3 -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$1'))" || missing+=("$2")
}

need_typelib() { # NAME PACKAGE
    compgen -G "/usr/lib/*/girepository-1.0/$1.typelib" >/dev/null || missing+=("$2")
}

need_by_hand() { # COMMAND REMEDY
    if ! command -v "$1" >/dev/null; then
        echo "setup: $1 is missing: $2" >&2
        problems=1
    fi
}

case ${1:-} in
    quick | demo | test) ;;
    *)
        echo "usage: scripts/setup.sh quick|demo|test" >&2
        exit 2
        ;;
esac

# What the README asks for. Debian 12's own Rust is too old, so that apt is no help here.
need_by_hand cargo "install Rust 1.85 or newer, see https://rustup.rs"
need_by_hand python3 "install Python 3.11 or newer"
need_by_hand cc "install a C compiler, for example the package gcc"
if command -v rustc >/dev/null; then
    version=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n1.85.0\n' "$version" | sort -V | head -n 1)" != 1.85.0 ]; then
        echo "setup: Rust $version is too old: install 1.85 or newer, see https://rustup.rs" >&2
        problems=1
    fi
fi
if [ "$problems" != 0 ]; then
    exit 1
fi

need_command cmake cmake
need_command make make
need_python "venv, ensurepip" python3-venv
need_python tkinter python3-tk
if [ "$1" != quick ]; then
    need_command pkg-config pkg-config
    need_module libcurl libcurl4-openssl-dev
    need_module libcrypto libssl-dev
    need_module gtk4 libgtk-4-dev
    need_file /etc/ssl/certs/ca-certificates.crt ca-certificates # https in make demo URLS=...
fi
if [ "$1" = test ]; then
    need_command c++ g++
    need_file "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" python3-dev # examples/python/cffi_min.py
    need_command clang++ clang # the second compiler for coroutines
    need_command valgrind valgrind
    need_command llvm-symbolizer llvm # the sanitizers' names of functions
    need_command import imagemagick
    need_command Xvfb xvfb
    need_module tcl tcl-dev
    need_module tk tk-dev
    need_module libuv libuv1-dev
    # Other hosts in C and C++, and Node.
    need_module gtk+-3.0 libgtk-3-dev
    need_module sdl2 libsdl2-dev
    need_module Qt6Widgets qt6-base-dev
    need_module Qt5Widgets qtbase5-dev
    need_command wx-config libwxgtk3.2-dev
    need_file /usr/include/asio.hpp libasio-dev
    need_command node nodejs
    need_command npm npm
    need_file /usr/include/node/node.h libnode-dev # another's nodejs has these, too, and keeps Debian's libnode out
    # Other hosts in Python: Debian's own bindings, and the libraries that wheels from PyPI expect to find.
    need_debian_python ensurepip python3-venv
    need_python test.test_asyncio "libpython$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite"
    need_python_library
    need_debian_python gi python3-gi
    need_debian_python wx python3-wxgtk4.0
    need_typelib Gtk-3.0 gir1.2-gtk-3.0
    need_typelib Gtk-4.0 gir1.2-gtk-4.0
    need_typelib WebKit2-4.1 gir1.2-webkit2-4.1
    need_library libXtst.so.6 libxtst6
    need_library libXcursor.so.1 libxcursor1
    need_library libXi.so.6 libxi6
    need_library libXrandr.so.2 libxrandr2
    need_library libX11-xcb.so.1 libx11-xcb1
    need_library libEGL.so.1 libegl1
    need_library libGL.so.1 libgl1
    need_library libGLX_mesa.so.0 libglx-mesa0
    need_library libdbus-1.so.3 libdbus-1-3
    need_library libfontconfig.so.1 libfontconfig1
    need_library libxkbcommon-x11.so.0 libxkbcommon-x11-0
    need_library libxcb-cursor.so.0 libxcb-cursor0
    need_library libxcb-icccm.so.4 libxcb-icccm4
    need_library libxcb-image.so.0 libxcb-image0
    need_library libxcb-keysyms.so.1 libxcb-keysyms1
    need_library libxcb-randr.so.0 libxcb-randr0
    need_library libxcb-render-util.so.0 libxcb-render-util0
    need_library libxcb-shape.so.0 libxcb-shape0
    need_library libxcb-sync.so.1 libxcb-sync1
    need_library libxcb-xfixes.so.0 libxcb-xfixes0
    need_library libxcb-xinerama.so.0 libxcb-xinerama0
    need_library libxcb-xkb.so.1 libxcb-xkb1
else
    [ "$1" = quick ] || need_command import imagemagick # the Python demo's screenshot
    if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        need_command Xvfb xvfb
    fi
fi

if [ ${#missing[@]} = 0 ]; then
    exit 0
fi
install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "setup: missing, by the names of their Debian packages: ${missing[*]}" >&2
    exit 1
elif [ "$(id -u)" != 0 ]; then
    echo "setup: some packages are missing. Run this, then try again:" >&2
    echo "    sudo sh -c 'apt-get update && $install'" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update
$install
