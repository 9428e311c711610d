# A CPython for musl, to start wheels with: Debian has a musl, but no Python for it, so that it is built. Sourced by wheels.sh.
#
# The source is Debian 13's, the compiler zig, and the libc Debian 12's, the oldest that musllinux_1_2 is for. ssl, zlib and ctypes
# are not in it. Two minutes of a processor's time and 50 MB, in ~/.cache/asyncguest/musl-ARCH; kept.

musl_version=3.13

musl_folder() { # ARCH
    realpath -m -- "${XDG_CACHE_HOME:-$HOME/.cache}/asyncguest/musl-$1"
}

musl_builder() { # the interpreter that takes part
    all_interpreters | sed -n "s/^$musl_version //p"
}

can_build_musl_python() { # ARCH
    [ -e "$(musl_folder "$1")/complete" ] || { [ -n "$(musl_builder)" ] && command -v apt-get >/dev/null; }
}

musl_python() { # ARCH
    local folder
    folder=$(musl_folder "$1")
    [ ! -e "$folder/complete" ] || return 0
    rm -rf "$folder"
    logged "wheels-musl-$1" build_musl_python "$1" "$folder" && rm -r "$folder/work" && : >"$folder/complete"
}

build_musl_python() ( # ARCH FOLDER
    zig="$tools/python3 -m ziglang" arch=${1/x86_64/amd64}
    arch=${arch/aarch64/arm64}
    mkdir -p "$2"/work/{lists/partial,source,build} && cd "$2/work" || exit
    from=$(mirror)
    printf "%s ${from:-http://deb.debian.org/debian} %s main\n" deb bookworm deb-src trixie >sources
    : >status
    apt=(apt-get -q -y -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$PWD" -o Dir::State::status="$PWD/status"
        -o Dir::Cache="$PWD" -o Dir::Etc::SourceList="$PWD/sources" -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User= -o Debug::NoLocking=1)
    "${apt[@]}" update && "${apt[@]}" download musl && "${apt[@]}" --download-only source "python$musl_version" &&
        dpkg-deb -x musl_*.deb "$2" && tar -xf python*.orig.tar.xz -C source --strip-components 1 && cd build || exit
    # What configure cannot try, and what that libc has not.
    known=(ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no ac_cv_func_preadv2=no ac_cv_func_pwritev2=no)
    ../source/configure --build="$(uname -m)-linux-gnu" --host="$1-linux-musl" --with-build-python="$(musl_builder)" --prefix="$2" \
        --disable-test-modules --without-ensurepip PKG_CONFIG=false READELF="$(command -v readelf)" OPT= CFLAGS="-O1 -g0 -w" \
        CC="$zig cc -target $1-linux-musl -dynamic" AR="$zig ar" RANLIB="$zig ranlib" LDFLAGS="-Wl,--dynamic-linker=$2/lib/ld-musl-$1.so.1" \
        "${known[@]}" && make -j2 -o platform && # made by a program that another 3.13.x may not run with these modules; not needed
        make -o platform altinstall PYTHON_FOR_BUILD=true # true: nothing is compiled beforehand
)
