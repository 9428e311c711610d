#!/usr/bin/env bash
# The two commands of the README on a bare Debian 12: a fresh chroot that has what the README asks for and nothing else, so
# that whatever scripts/setup.sh forgets to install is missed. For root, on a machine with debootstrap.
#
#   scripts/bare.sh                the last commit, cloned: `make demo`, then `make test`
#   scripts/bare.sh demo|test      one of them
#   scripts/bare.sh in COMMAND     a shell command in the chroot of the last run as that has left it, with the last commit:
#                                  to look into what failed
#
# The chroot is build/bare, or the folder that ASYNCGUEST_BARE names; the bare system is kept in ~/.cache/asyncguest for a
# month. Rust is the host's own toolchain, read-only. Mirrors, proxies and certificates are the host's too: chroot.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/chroot.sh

packages=gcc,g++,make,git,python3,python3-venv,ca-certificates
root=$PWD
bare=$(realpath -m -- "${ASYNCGUEST_BARE:-build/bare}") # as the table of mounts names it
clone=$bare/root/libasyncguest
cache=${XDG_CACHE_HOME:-$HOME/.cache}/asyncguest/bookworm-$(dpkg --print-architecture).tar
log=$root/build/logs/bare.log

fail() { # MESSAGE
    echo "bare.sh: $1" >&2
    exit 1
}

# A folder is taken away only if this script has made it, and nothing is mounted in it.
clear_chroot() {
    [ -e "$bare" ] || return 0
    [ -e "$bare/made-by-bare.sh" ] || fail "$bare is something else: move it away, or set ASYNCGUEST_BARE to another folder"
    ! findmnt --raw --noheadings --output TARGET | grep -E "^$bare(/|$)" >/dev/null || fail "something is mounted in $bare: umount it first"
    rm -rf --one-file-system "$bare"
}

make_chroot() {
    local from
    from=$(mirror)
    clear_chroot
    mkdir -p "$bare" "$(dirname "$cache")"
    touch "$bare/made-by-bare.sh"
    if [ -n "$(find "$cache" -mtime -30 2>/dev/null)" ]; then
        tar -C "$bare" --numeric-owner -xpf "$cache"
    else
        echo "bare.sh: making the bare system; see ${log#"$root/"}"
        debootstrap --variant=minbase --include="$packages" bookworm "$bare" "${from:-http://deb.debian.org/debian}" >"$log" 2>&1 ||
            fail "debootstrap has failed: see ${log#"$root/"}"
        tar -C "$bare" --numeric-owner --one-file-system -cf "$cache.part" .
        mv "$cache.part" "$cache"
    fi
    configure "${from:-http://deb.debian.org/debian}"
    git clone --quiet --no-local "$root" "$clone"
}

# What pip and npm have beside that.
configure() { # MIRROR
    copy_settings "$bare" "$1" bookworm >>"$log" 2>&1
    mkdir -p "$bare/root/.config/pip" "$bare/rust" "$bare/sys"
    cat /etc/pip.conf "$HOME/.config/pip/pip.conf" >"$bare/etc/pip.conf" 2>/dev/null || true
    ! command -v npm >/dev/null || echo "registry=$(npm config get registry)" >"$bare/root/.npmrc"
    ln -sf /rust/bin "$bare/root/.cargo/bin" # as rustup has it
}

# In a namespace of this script's own: no other process ever sees these mounts, and they end with the last process in it.
mount_all() {
    mount -t proc proc "$bare/proc"
    mount --rbind /dev "$bare/dev"
    mount --rbind --read-only /sys "$bare/sys"
    mount --bind --read-only "$(rustc --print sysroot)" "$bare/rust"
}

inside() { # COMMAND
    local kept
    mapfile -t kept < <(kept_variables)
    # pip and Node bring their own certificates.
    chroot "$bare" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "${kept[@]}" \
        /bin/bash -c "cd /root/libasyncguest && $1"
}

[ "$(id -u)" = 0 ] || fail "chroot and mount want root"
for command in debootstrap unshare findmnt rustc git; do
    command -v "$command" >/dev/null || fail "$command is missing: install it first"
done
if [ "${1:-}" = in ]; then
    [ $# = 2 ] && [ -e "$clone" ] || fail "usage: scripts/bare.sh in COMMAND, after a run has made $bare"
else
    [ $# != 0 ] || set -- demo test
    for word in "$@"; do
        [[ $word == demo || $word == test ]] || fail "usage: scripts/bare.sh [demo] [test] | in COMMAND"
    done
fi
if [ -z "${ASYNCGUEST_BARE_NAMESPACE:-}" ]; then
    ASYNCGUEST_BARE_NAMESPACE=1 exec unshare --mount-proc --pid --fork --kill-child scripts/bare.sh "$@"
fi
mkdir -p "$(dirname "$log")"
if [ "$1" = in ]; then
    git -C "$clone" fetch --quiet "$root" HEAD </dev/null
    git -C "$clone" reset --quiet --hard FETCH_HEAD
    mount_all
    inside "$2"
    exit
fi
make_chroot
mount_all
failed=0
times=()
for word in "$@"; do
    begin=$SECONDS
    outcome=ok
    inside "make $word" || { outcome=FAIL; failed=1; }
    times+=("$(printf '%-5s make %s %5d s' "$outcome" "$word" $((SECONDS - begin)))")
done
printf '%s\n' "${times[@]}"
exit "$failed"
