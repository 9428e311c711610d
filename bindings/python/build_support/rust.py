"""Finds the Rust sources and has cargo build libasyncguest.a from them.

In a checkout the sources are the repository; in an sdist they are its folder rust/, put there by copy_sources.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools.errors import SetupError

PROJECT = Path(__file__).resolve().parents[1]


def find_root() -> Path:
    for folder in (PROJECT / "rust", PROJECT.parents[1]):
        if (folder / "Cargo.toml").is_file() and (folder / "include/asyncguest.h").is_file():
            return folder
    raise SetupError(f"""the Rust sources of asyncguest are not where they belong, beside {PROJECT}.
Build from a complete checkout (pip install ./bindings/python) or from the sdist; a pip older than 21.3 copies
too little: upgrade it.""")


ROOT = find_root()
IN_CHECKOUT = ROOT != PROJECT / "rust"
HEADER = ROOT / "include/asyncguest.h"
NATIVE_C = PROJECT / "src/asyncguest/_native.c"


def manifest(key: str) -> str:
    """A value of Cargo.toml's [package], as it is written there."""
    text = (ROOT / "Cargo.toml").read_text("utf-8")
    match = re.search(rf'^{re.escape(key)} = (".*?"|\[.*?\])', text, re.MULTILINE | re.DOTALL)
    if not match:
        raise SetupError(f"{ROOT / 'Cargo.toml'} has no {key}")
    return match[1]


def version() -> str:
    """The package's version: Cargo.toml is the one place where it is written."""
    return str(ast.literal_eval(manifest("version")))


def copy_sources(target: Path) -> None:
    """All that cargo needs, which is what Cargo.toml says that a crate consists of."""
    for pattern in ["Cargo.toml", "Cargo.lock", *ast.literal_eval(manifest("include"))]:
        found = [path for path in ROOT.glob(pattern.lstrip("/")) if path.is_file()]  # "/": not in the folders below
        if not found:
            raise SetupError(f"Cargo.toml includes {pattern}, and there is no such file in {ROOT}")
        for path in found:
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def static_library() -> Path:
    """libasyncguest.a, built if need be; ASYNCGUEST_STATICLIB names a ready one."""
    ready = os.environ.get("ASYNCGUEST_STATICLIB")
    if ready:
        path = Path(ready).resolve()
        if not path.is_file():
            raise SetupError(f"ASYNCGUEST_STATICLIB names {path}, and there is no such file")
        return path
    check_system()
    cargo = find_cargo()
    check_version(cargo)
    command = [cargo, "build", "--release", "--locked", "--lib", "--message-format=json-render-diagnostics"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    if result.returncode != 0:
        raise SetupError(f"cargo could not build libasyncguest (in {ROOT}); its own words are above")
    # cargo knows best where it puts things: CARGO_TARGET_DIR, CARGO_BUILD_TARGET and its configuration have a say.
    for line in result.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "asyncguest":
            for name in message["filenames"]:
                if name.endswith((".a", "asyncguest.lib")):
                    return Path(name)
    raise SetupError("cargo has built no static library: Cargo.toml's crate-type must contain staticlib")


def check_system() -> None:
    """Before anybody installs Rust for nothing. `build.rs` refuses the same."""
    if sys.platform != "linux" or sys.maxsize < 2**63 - 1:
        bits = sys.maxsize.bit_length() + 1
        raise SetupError(f"libasyncguest runs on 64-bit Linux alone so far, and this is {sys.platform}, {bits}-bit")


def find_cargo() -> str:
    # rustup's folder: a shell that was open before the installation does not have it in PATH yet.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path("~/.cargo/bin").expanduser())])
    cargo = shutil.which(os.environ.get("CARGO") or "cargo", path=path)
    if not cargo:
        raise SetupError(f"""building asyncguest needs cargo, which is not in PATH.
Install Rust {rust_version()} or newer (https://rustup.rs), or install a ready wheel of asyncguest.""")
    return cargo


def check_version(cargo: str) -> None:
    """Before cargo reads Cargo.lock: an old one complains of that, in words that help nobody."""
    result = subprocess.run([cargo, "--version"], cwd=ROOT, capture_output=True, text=True)
    found = re.match(r"cargo (\d+)\.(\d+)", result.stdout)
    if not found:
        raise SetupError(f"{cargo} --version does not work: {result.stderr.strip() or result.stdout.strip()}")
    if (int(found[1]), int(found[2])) < tuple(map(int, rust_version().split(".")[:2])):
        raise SetupError(f"""{cargo} is version {found[1]}.{found[2]}, which is too old to build asyncguest.
Install Rust {rust_version()} or newer (https://rustup.rs), or install a ready wheel of asyncguest.""")


def rust_version() -> str:
    return str(ast.literal_eval(manifest("rust-version")))
