# The Python interpreters of this machine, virtual environments of them, and the wheel in these: for scripts/python.sh
# and scripts/hosts.sh, which source it from the root of the tree.
#
# All products are in build/python; what was printed is in build/python/logs.

root=$PWD
package=$root/bindings/python
out=$root/build/python
mkdir -p "$out/dist" "$out/logs"
PATH=$PATH:$HOME/.cargo/bin # as in scripts/setup.sh
unset PYTHONPATH PYTHONHOME PYTHONWARNINGS VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# The source tree stays as it is; and the tests' many programs do not compile the standard library each.
export PYTHONPYCACHEPREFIX=$out/pycache
unset PYTHONDONTWRITEBYTECODE

# Runs a command with its output in a log; shows the end of that if the command fails.
logged() { # LOG COMMAND...
    local log=$out/logs/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        echo "python: this failed: $*"
        tail -n 60 "$log" | sed 's/^/      | /'
        echo "python: all of it is in ${log#"$root/"}"
        return 1
    fi
}

# Where scripts/sid.sh has put the newest ones.
sid=$(realpath -m -- "${ASYNCGUEST_SID:-${XDG_CACHE_HOME:-$HOME/.cache}/asyncguest/sid}")

# "X.Y PATH" of each interpreter, the oldest first.
interpreters() {
    local folder IFS=:
    {
        printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python | sort -rV
        command -v python3
        for folder in $PATH; do
            printf '%s\n' "$folder"/python3.[1-9][0-9]
        done
    } | versions
}

# The same with those of scripts/sid.sh, for which many packages have no wheels yet: their own tests and CPython's run on them.
all_interpreters() {
    {
        interpreters
        printf '%s\n' "$sid"/usr/bin/python3.[1-9][0-9] | versions
    } | awk '!seen[$1]++' | sort -V
}

versions() { # reads paths
    local python
    while read -r python; do
        # Free-threaded interpreters have no stable ABI, so that the one wheel is not for them.
        "$python" - 2>/dev/null <<'PYTHON'
import sys, sysconfig
if sys.implementation.name == "cpython" and sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("%d.%d" % sys.version_info[:2], sys.executable)
PYTHON
    done | awk '!seen[$1]++' | sort -V
}

# Makes build/python/venv-NAME, or takes the one that is there, unless the interpreter or what is wanted has changed.
venv() { # NAME PYTHON REQUIREMENTS-FILE [OPTION-OF-VENV...]
    local folder=$out/venv-$1 stamp line
    stamp=$("$2" -VV && cat "$3")
    [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && return
    rm -rf "$folder"
    logged "venv-$1" "$2" -m venv "${@:4}" "$folder" || return
    if "$folder/bin/python" -m pip install --only-binary :all: -r "$3" >>"$out/logs/venv-$1.log" 2>&1; then
        echo "$stamp" >"$folder/stamp"
        return
    fi
    # What has no wheel for this interpreter yet is left out: the tests that want it say so. Tried again next time.
    while read -r line; do
        "$folder/bin/python" -m pip install --only-binary :all: "$line" >>"$out/logs/venv-$1.log" 2>&1 ||
            echo "python: venv-$1 does without $line: see ${out#"$root/"}/logs/venv-$1.log"
    done < <(grep -v '^#' "$3")
}

# The file with what the tests need on one interpreter: the newest also has what those need that run on it alone.
requirements() { # X.Y
    local file=$out/requirements-$1.txt part
    part=$(mktemp "$file.XXXXXX")
    cat "$package/tests/requirements.txt" >"$part"
    [ "$1" != "$(interpreters | tail -n 1 | cut -d ' ' -f 1)" ] || cat "$package/tests/requirements-once.txt" >>"$part"
    mv "$part" "$file" # at once, for another stage may be reading it
    echo "$file"
}

# venv, with the wheel in it. Stages that run at the same time share them: one makes it, and what is there is not
# touched while another runs it.
venv_with_wheel() { # as venv
    (
        ! command -v flock >/dev/null || flock 9
        venv "$@" && install_wheel "$1"
    ) 9>"$out/venv-$1.lock"
}

install_wheel() { # NAME
    local folder=$out/venv-$1 wheel empty where
    wheel=$(cksum "$out"/dist/*.whl) || return
    if [ "$(cat "$folder/wheel" 2>/dev/null)" != "$wheel" ]; then
        logged "install-$1" "$folder/bin/python" -m pip install --no-index --no-deps --no-compile \
            --force-reinstall "$out"/dist/*.whl || return
        echo "$wheel" >"$folder/wheel"
    fi
    empty=$(mktemp -d)
    where=$(cd "$empty" && "$folder/bin/python" -c 'import asyncguest; print(asyncguest.__file__)')
    rmdir "$empty"
    case $where in
        "$folder"/*) ;;
        *)
            echo "python: asyncguest comes from '$where' and not from venv-$1"
            return 1
            ;;
    esac
}

do_wheel() {
    local python
    # scripts/test.sh has just built it.
    [ -z "${ASYNCGUEST_WHEEL_IS_FRESH:-}" ] || [ -z "${1:-}" ] || return 0
    # The oldest, as it should be for a wheel that is to work with all.
    python=$(interpreters | head -n 1 | cut -d ' ' -f 2)
    if [ -z "$python" ]; then
        echo "python: there is no CPython 3.11 or newer here"
        return 1
    fi
    venv build "$python" "$package/build_support/requirements.txt" || return
    rm -f "$out"/dist/*.whl
    # Cargo's products are with all others, out of the source tree. maturin is started by its name.
    PATH=$out/venv-build/bin:$PATH CARGO_TARGET_DIR=$root/target/python logged wheel "$out/venv-build/bin/python" -m build --wheel --no-isolation \
        --outdir "$out/dist" "$package" || return
    [ "${1:-}" = quietly ] || echo "ok    wheel  $(cd "$out/dist" && echo *.whl)"
}

# What a wheel's name promises, held against what is in it. The environment `audit` has been made.
audit() { # FILE [POLICY]: what its symbols need, at the most: manylinux_2_17_x86_64; "unknown": not looked at
    local tools=$out/venv-audit/bin policy=${2:-}
    if [ "$policy" != unknown ]; then
        logged auditwheel "$tools/auditwheel" show "$1" || return
        if ! grep -F "\"${policy:-manylinux_}" "$out/logs/auditwheel.log" >/dev/null; then
            cat "$out/logs/auditwheel.log"
            return 1
        fi
    fi
    # W004: the hooks for PyInstaller have the names that it looks for.
    logged abi3audit "$tools/abi3audit" --strict "$1" &&
        logged check-wheel-contents "$tools/check-wheel-contents" --ignore W004 "$1" &&
        logged twine "$tools/twine" check --strict "$1"
}
