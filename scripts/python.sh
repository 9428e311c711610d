#!/usr/bin/env bash
# The Python package: built, installed and tested as its users get it, never from the source tree.
#
#   scripts/python.sh wheel             one wheel for all versions of Python, into build/python/dist
#   scripts/python.sh audit             the wheel holds what its name promises, and what PyPI asks for; scripts/wheels.sh
#                                       builds those of a release
#   scripts/python.sh test [X.Y...]     the tests, with the wheel installed, on every interpreter found or on those named
#   scripts/python.sh quick             the wheel and the contract's tests on the newest interpreter: for `make quick`
#   scripts/python.sh conformance [short] [X.Y...]     CPython's own tests of asyncio with our loop; `short`: some of them,
#                                       and if no interpreter is named on the oldest and the newest only, also of scripts/sid.sh
#   scripts/python.sh address [PYTEST-ARGUMENT...]     the tests on the newest interpreter, with a native module that
#                                       AddressSanitizer has instrumented, and all of Python's memory under its eyes
#   scripts/python.sh coverage          which lines and branches of the package the tests run that every interpreter has, on the newest
#   scripts/python.sh types             mypy --strict and pyright, on the installed package and on the examples
#   scripts/python.sh bench [OPTION...] [WORD...]     the speed table on CPython 3.13 and 3.11, as far as found, and GTK's
#                                       rows on Debian's own; for what may follow see benches/python/run.py; --quick: a
#                                       smoke run, on the newest alone
#   scripts/python.sh leaks [CONNECTIONS]     whether connections leave anything behind, a million of each kind if not said
#                                       otherwise, on the newest interpreter: benches/python/leaks.py
#   scripts/python.sh breakdown [REQUESTS]    where the time of a request goes: benches/python/breakdown.py
#   scripts/python.sh demo [OPTION...]  python -m asyncguest.demo, with the wheel installed, on the newest Python that has
#                                       tkinter; without options and without a display: by a script, on an Xvfb
#   scripts/python.sh film [FILE]       the README's film of two windows, into docs/two_windows.png; on an Xvfb each, with openbox
#   scripts/python.sh examples          the examples' tests, on a Python with cffi; what is to be built is built
#   scripts/python.sh docs              the site: the pages of docs, with warnings as errors, into build/python/docs, and its links followed
#
# Interpreters are those of pyenv, the newest of each minor version, python3, and python3.N of the path; from 3.11 on, one per
# minor version. `test` and `conformance` also take those that scripts/sid.sh has unpacked.
# Says one line for each thing done; the rest is in build/python/logs. All products are in build/python and target/.
set -uo pipefail
cd "$(dirname "$0")/.."

. scripts/pythons.sh

# Two interpreters at a time: much of the tests' time is waiting. The newest, sid's aside, has the most to do and begins; those
# that are neither the newest nor the oldest have what depends on the version.
do_test() {
    do_wheel quietly || return
    side_by_side test_marked "$@" < <({ interpreters | tail -n 1; all_interpreters | tac; } | awk '!seen[$1]++')
    if [ ${#statuses[@]} = 0 ] || { [ $# != 0 ] && [ ${#statuses[@]} != $# ]; }; then
        echo "python.sh: not all of these interpreters are here: ${*:-any CPython from 3.11 on}"
        return 1
    fi
    [[ " ${statuses[*]} " != *" "[1-9]* ]]
}

test_marked() { # X.Y PYTHON
    local markers="not once and not twice"
    [[ " $(all_interpreters | sed -n '1p;$p' | cut -d ' ' -f 1 | xargs) " != *" $1 "* ]] || markers="not once"
    [ "$1" != "$(interpreters | tail -n 1 | cut -d ' ' -f 1)" ] || markers=""
    test_on "$1" "$2" "$markers" "$package/tests"
}

# Runs `COMMAND X.Y PYTHON` for the interpreters that it reads, all or those named, two at a time. Their statuses are
# then in `statuses`.
side_by_side() { # COMMAND [X.Y...]
    local version python command=$1
    shift
    statuses=()
    while read -r version python <&3; do
        [ $# = 0 ] || [[ " $* " == *" $version "* ]] || continue
        if [ "$(jobs -rp | wc -l)" -ge 2 ]; then
            wait -n
            statuses+=($?)
        fi
        "$command" "$version" "$python" &
    done 3<&0
    while [ -n "$(jobs -p)" ]; do
        wait -n
        statuses+=($?)
    done
}

do_audit() {
    do_wheel quietly || return
    venv audit "$(interpreters | head -n 1 | cut -d ' ' -f 2)" "$package/build_support/audit.txt" &&
        audit "$out"/dist/*.whl && echo "ok    audit"
}

do_quick() {
    local version python
    do_wheel quietly || return
    read -r version python < <(interpreters | tail -n 1)
    test_on "$version" "$python" "not once and not twice" "$package"/tests/test_contract_*.py
}

# pytest's last line: "12 passed, 1 skipped in 3.45s".
summary() { # LOG
    grep -E '[0-9]+ (passed|failed|error|deselected)' "$1" | tail -n 1 | tr -d = || true
}

# If all that has failed may be an accident (scripts/quarantine.py), it is run once more by itself, and named.
test_on() { # X.Y PYTHON MARKERS TESTS...
    local log=$out/logs/test-$1.log failed=$out/logs/failed-$1.txt empty status tried
    venv_with_wheel "$1" "$2" "$(requirements "$1")" || return
    rm -f "$failed"
    empty=$(mktemp -d)
    (pytest_in "$empty" "$1" -m "$3" "${@:4}") >"$log" 2>&1
    status=$?
    if [ "$status" = 1 ] && [ -s "$failed" ]; then
        sort -u -o "$failed" "$failed"
        if tried=$(sed "s|^$package/tests/||" "$failed" | python3 "$root/scripts/quarantine.py" python); then
            cp "$failed" "$empty/again"
            (pytest_in "$empty" "$1" "@$empty/again") >>"$log" 2>&1
            status=$?
        fi
    fi
    rm -rf "$empty"
    if [ "$status" = 0 ]; then
        echo "ok    $1   $(grep -E '[0-9]+ passed' "$log" | head -n 1 | tr -d =)"
    else
        echo "FAIL  $1   $(summary "$log")   ${log#"$root/"}"
        tail -n 60 "$log" | sed 's/^/      | /'
    fi
    [ -z "${tried:-}" ] || sed "s/^second try:/& $1/" <<<"$tried"
    return "$status"
}

# In development mode, but on the oldest of several, sid's aside: with it comes asyncio's debug mode, in which a loop goes its long ways alone.
pytest_in() { # FOLDER X.Y ARGUMENT...
    local folder=$1 python=$out/venv-$2/bin/python failed=$out/logs/failed-$2.txt dev=(-X dev)
    [ "$(interpreters | sed -n '$!{1s/ .*//p}')" != "$2" ] || dev=()
    shift 2
    cd "$folder" && ASYNCGUEST_DIST="$out/dist" ASYNCGUEST_FAILED="$failed" "$root/examples/demo/with_display.sh" \
        "$python" "${dev[@]}" -W error -m pytest -p no:cacheprovider -q "$@"
}

# Programs that the tests start are measured, too; those that a signal or os._exit ends take what they ran with them.
do_coverage() {
    local version python empty status
    do_wheel quietly || return
    read -r version python < <(interpreters | tail -n 1)
    cat "$package/tests/requirements.txt" - >"$out/requirements-coverage.txt" <<<"coverage>=7.10"
    venv_with_wheel coverage "$python" "$out/requirements-coverage.txt" || return
    export COVERAGE_FILE=$out/coverage/data
    python=$out/venv-coverage/bin/python
    rm -rf "$out/coverage"
    mkdir "$out/coverage"
    empty=$(mktemp -d)
    (cd "$empty" && "$root/examples/demo/with_display.sh" "$python" -X dev -W error \
        -m coverage run --rcfile="$package/pyproject.toml" \
        -m pytest -p no:cacheprovider -q -m "not once and not twice" "$package/tests") >"$out/logs/coverage.log" 2>&1
    status=$?
    rm -rf "$empty"
    printf '\nasyncguest by its tests on Python %s: %s\n' "$version" "$(summary "$out/logs/coverage.log")"
    (cd "$package" && coverage_figures "$python" -m coverage) || return
    [ "$status" = 0 ] || tail -n 40 "$out/logs/coverage.log" | sed 's/^/      | /'
    return "$status"
}

# Rust's runtime of the sanitizer comes as objects for a program; Python is one already, so that it is preloaded. The wheel in
# the environment gives the requirements, and the instrumented copy of the package stands before it.
do_address() {
    local version python folder=$out/address parts package_in=$out/address/package objects preload
    do_wheel quietly || return
    read -r version python < <(interpreters | tail -n 1)
    venv_with_wheel "$version" "$python" "$(requirements "$version")" || return
    parts=("$(rustc --print sysroot)"/lib/rustlib/x86_64-unknown-linux-gnu/lib/librustc-*_rt.asan.a)
    if [ ! -f "${parts[0]}" ]; then
        echo "rustc comes without the runtime of this sanitizer (${parts[0]})"
        return 77
    fi
    rm -rf "$folder"
    mkdir -p "$package_in" "$folder/empty"
    objects=$(mktemp -d)
    preload=$folder/runtime.so
    # .preinit_array, which one of the objects has, is for programs alone.
    (cd "$objects" && ar x "${parts[0]}" && rm -f ./*preinit* && gcc -shared -o "$preload" ./*.o -lpthread -ldl -lrt -lm -lstdc++) || return
    rm -rf "$objects"
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$root/target/python-address PYO3_PYTHON=$python CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        RUSTFLAGS="-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Cforce-frame-pointers=yes" \
        logged address cargo build --release --locked --manifest-path "$package/Cargo.toml" --target x86_64-unknown-linux-gnu \
        --features pyo3/extension-module || return
    cp -r "$package/src/asyncguest" "$package_in"
    cp "$root/target/python-address/x86_64-unknown-linux-gnu/release/libasyncguest_native.so" "$package_in/asyncguest/_native.abi3.so"
    python=$out/venv-$version/bin/python
    export PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 PYTHONPATH=$package_in
    if [[ $(ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$preload "$python" -c "$deliberate" 2>&1) != *heap-buffer-overflow* ]]; then
        echo "a deliberate bug was not found"
        return 1
    fi
    echo 'on: a deliberate bug gives "heap-buffer-overflow"'
    [ $# != 0 ] || set -- "$package/tests"
    (cd "$folder/empty" && "$root/examples/demo/with_display.sh" env LD_PRELOAD="$preload" \
        "$python" -W error -m pytest -p no:cacheprovider -q --timeout 300 "$@")
}

deliberate="
import ctypes
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
ctypes.memmove(malloc(8), bytes(16), 16)
"

# The paths in pyproject.toml are below the present folder.
coverage_figures() { # COVERAGE-COMMAND...
    local part
    logged coverage-combine "$@" combine || return
    "$@" report --skip-empty --show-missing >"$out/coverage/report.txt"
    for part in "*.py" "hosts/*.py" "_hostcheck/*.py" "demo/*.py" "*"; do
        printf '%-24s %5s%% of lines and branches\n' "asyncguest/$part" \
            "$("$@" report --include "src/asyncguest/$part" --format=total --precision=1)"
    done
}

do_conformance() { # [short] [X.Y...]
    conformance_options=()
    if [ "${1:-}" = short ]; then
        shift
        conformance_options=(--short)
        # Asyncio differs most between these. Each line's first word is the version.
        [ $# != 0 ] || set -- "$(sed -n '1p;$p' <(interpreters) | cut -d ' ' -f 1 | xargs) $(all_interpreters | tail -n 1 | cut -d ' ' -f 1)"
    fi
    do_wheel quietly || return
    side_by_side conformance_of "$@" < <(all_interpreters)
    # 3: Debian's interpreter, for one, comes without its tests.
    if [[ " ${statuses[*]} " != *" "[!3\ ]* ]]; then
        echo "no interpreter here has its own tests: ${*:-any CPython from 3.11 on}"
        return 77
    fi
    [[ " ${statuses[*]} " != *" "[!03\ ]* ]]
}

conformance_of() { # X.Y PYTHON
    venv_with_wheel "$1" "$2" "$(requirements "$1")" || return
    "$out/venv-$1/bin/python" "$package/conformance/run.py" "${conformance_options[@]}" --out "$out/conformance"
}

do_types() {
    local python folder version examples failed=0
    do_wheel quietly || return
    python=$(interpreters | tail -n 1 | cut -d ' ' -f 2)
    venv_with_wheel types "$python" "$package/build_support/types.txt" || return
    python=$out/venv-types/bin/python
    folder=$(cd / && "$python" -c 'import asyncguest, os; print(os.path.dirname(asyncguest.__file__))')
    # The examples of the package; the others show how to do without it.
    mapfile -t examples < <(grep -lE '^(import|from) asyncguest' examples/{python,cef}/*.py "$package"/examples/*.py)
    for version in 3.11 3.13; do # asyncio has changed between the two
        mypy_with "$version" -p asyncguest || failed=1
        [ ${#examples[@]} = 0 ] || mypy_with "$version" "${examples[@]}" || failed=1
    done
    mypy_with 3.13 --platform win32 -p asyncguest || failed=1
    [ "$failed" = 1 ] || echo "ok    mypy --strict, for Linux and for Windows"
    # basedpyright is pyright with its JavaScript engine in the wheel: nothing is fetched when it runs.
    logged pyright "$out/venv-types/bin/basedpyright" --project "$package/pyproject.toml" --pythonpath "$python" \
        "$folder" "${examples[@]}" && echo "ok    pyright" || failed=1
    return "$failed"
}

do_examples() {
    venv examples "$(command -v python3)" examples/python/requirements.txt || return
    "$out/venv-examples/bin/python" examples/test_fetch.py "$@" && "$out/venv-examples/bin/python" examples/test_get.py "$@"
}

do_docs() {
    local python
    do_wheel quietly || return
    python=$(interpreters | tail -n 1 | cut -d ' ' -f 2)
    venv_with_wheel docs "$python" docs/requirements.txt || return
    logged docs "$out/venv-docs/bin/python" -m sphinx --fail-on-warning --keep-going -q -E -b html \
        -d "$out/docs-trees" docs "$out/docs" &&
        logged docs-links "$out/venv-docs/bin/python" docs/check_site.py "$out/docs" &&
        echo "ok    docs   build/python/docs/index.html, $(find "$out/docs" -name '*.html' | wc -l) pages"
}

do_bench() { # [--quick] [--rounds N] [--host NAME]... [WORD...]
    local version python ran=0 failed=0 wanted="3.11 3.13" debian=/usr/bin/python3
    do_wheel quietly || return
    if [[ " $* " == *" --quick "* ]]; then
        wanted=$(interpreters | tail -n 1 | cut -d ' ' -f 1)
    fi
    while read -r version python <&3; do
        [[ " $wanted " == *" $version "* ]] || continue
        venv_with_wheel "bench-$version" "$python" benches/python/requirements.txt || return
        ran=$((ran + 1))
        "$root/examples/demo/with_display.sh" "$out/venv-bench-$version/bin/python" benches/python/run.py "$@" ||
            failed=$((failed + 1))
    done 3< <(interpreters)
    # GTK is there for the system's own Python alone.
    if [[ " $* " != *" --quick "* && " $* " != *" --host "* ]] && "$debian" -c 'import gi' 2>/dev/null; then
        venv_with_wheel bench-system "$debian" benches/python/requirements.txt --system-site-packages || return
        "$root/examples/demo/with_display.sh" "$out/venv-bench-system/bin/python" benches/python/run.py \
            --host gtk --host gtk-thread "$@" || failed=$((failed + 1))
    fi
    if [ "$ran" = 0 ]; then
        echo "python.sh: none of these interpreters is here: $wanted"
        return 1
    fi
    [ "$failed" = 0 ]
}

do_leaks() { # [CONNECTIONS]
    on_the_newest leaks.py "$@"
}

do_breakdown() {
    on_the_newest breakdown.py "$@"
}

# A program of the benches, with the wheel installed.
on_the_newest() { # PROGRAM ARGUMENT...
    local version python program=$1
    shift
    do_wheel quietly || return
    read -r version python < <(interpreters | tail -n 1)
    venv_with_wheel "bench-$version" "$python" benches/python/requirements.txt || return
    "$out/venv-bench-$version/bin/python" "benches/python/$program" "$@"
}

do_demo() {
    local line python=
    do_wheel quietly || return
    while read -r _ line <&3; do
        if "$line" -c 'import tkinter' 2>/dev/null; then python=$line; fi
    done 3< <(interpreters)
    if [ -z "$python" ]; then
        echo "python.sh: no Python from 3.11 on here has tkinter (Debian: apt-get install python3-tk)"
        return 1
    fi
    venv_with_wheel demo "$python" "$package/build_support/demo.txt" || return
    if [ $# = 0 ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then # nobody would close the window
        set -- --screenshot "$out/demo_tk.png"
    fi
    (cd / && exec "$root/examples/demo/with_display.sh" "$out/venv-demo/bin/python" -m asyncguest.demo "$@")
}

do_film() { # [FILE]
    local python
    do_wheel quietly || return
    python=$(interpreters | tail -n 1 | cut -d ' ' -f 2)
    venv_with_wheel film "$python" examples/two_windows/requirements.txt || return
    "$out/venv-film/bin/python" examples/two_windows/record.py "${1:-docs/two_windows.png}"
}

mypy_with() { # X.Y WHAT...
    local version=$1
    shift
    logged "mypy-$version" "$out/venv-types/bin/python" -m mypy --config-file "$package/pyproject.toml" \
        --cache-dir "$out/mypy" --python-version "$version" "$@"
}

word=${1:-}
if [ -z "$word" ] || [ "$(type -t "do_$word")" != function ]; then
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
shift
"do_$word" "$@"
