# For scripts that work in a Debian of their own: sourced by bare.sh and portability.sh. For root.
#
# Mirrors, proxies and certificates are the host's: each tool's settings are copied when a script runs.

# The host's mirror, if the host is a Debian 12 or 13.
mirror() {
    awk '$1 == "URIs:" { uri = $2 } $1 == "deb" { for (i = 2; i < NF && $i !~ "://"; i++); uri = $i; $1 = "Suites:" $(i + 1) }
         /^Suites: *(bookworm|trixie)( |$)/ && uri ~ "://" { print uri; exit }' \
        <(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)
}

# How this machine reaches the world: apt, certificates, names, cargo.
copy_settings() { # ROOT MIRROR SUITE
    printf 'deb %s main\n' "$2 $3" "$2 $3-updates" "${2%/}-security $3-security" >"$1/etc/apt/sources.list"
    apt-config dump | grep -iE '^Acquire::(https?|Retries)' >"$1/etc/apt/apt.conf.d/99host" || true
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp -L {} "$1/usr/local/share/ca-certificates/" \;
    chroot "$1" update-ca-certificates
    mkdir -p "$1/root/.cargo"
    cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$1/root/.cargo/" 2>/dev/null || true
}

# Those of the host's variables that programs inside need, as NAME=VALUE.
kept_variables() {
    local name
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL; do
        [ -z "${!name:-}" ] || echo "$name=${!name}"
    done
}
