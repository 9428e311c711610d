#!/usr/bin/env bash
# Every host: all scenarios of bindings/python/tests/hosts on the real toolkits, and the table of what passed.
#
#   scripts/hosts.sh [--short] [STAGE...]     all, or those named; --short: variants of a stage in one drive only
#
# The package is installed from its wheel, in two virtual environments: the newest Python that is here, with toolkits
# from PyPI, and the system's own Python, with the toolkits that the system has packaged for it. The table is in
# build/hosts/table.md, with pictures of the windows in mid-run and logs beside it. What other languages' tests have
# left in build/hosts/*.txt is in the table too: scripts/test.sh runs them before.
set -uo pipefail
cd "$(dirname "$0")/.."

. scripts/pythons.sh

hosts=$package/tests/hosts
system=/usr/bin/python3
newest=$(interpreters | tail -n 1 | cut -d ' ' -f 2)
arguments=(--out "$root/build/hosts")

do_wheel quietly || exit
venv_with_wheel hosts-newest "$newest" "$hosts/requirements-newest.txt" || exit
arguments+=(--newest "$out/venv-hosts-newest/bin/python")
if [ -x "$system" ] && "$system" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    venv_with_wheel hosts-system "$system" "$hosts/requirements-system.txt" --system-site-packages || exit
    arguments+=(--system "$out/venv-hosts-system/bin/python")
fi
rm -rf build/hosts/logs
"$out/venv-hosts-newest/bin/python" "$hosts/table.py" "${arguments[@]}" "$@"
