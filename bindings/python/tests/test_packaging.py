"""The package as a thing to install: the native module against the header, the wheel, the sdist, the ways to fail."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import asyncguest
import pytest
from asyncguest import _native
from asyncguest._native import ffi, lib

PROJECT = Path(__file__).resolve().parents[1]
ROOT = PROJECT.parents[1]
HEADER = ROOT / "include/asyncguest.h"


# ---- the module is the header's, all of it


def plain_header() -> str:
    """The header as this system has it, without comments. Read here in another way than build_support does it, or
    nothing would be tested."""
    header = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return re.sub(r"#if defined\(_WIN32\)\n.*?(?=#else|#endif)", "", header, flags=re.DOTALL)


def header_functions() -> set[str]:
    return set(re.findall(r"^GUEST_API\n[^;(#]*?(\w+)\(", plain_header(), re.MULTILINE))


def header_constants() -> set[str]:
    return set(re.findall(r"#define (GUEST_\w+) +\S", plain_header())) - {"GUEST_API"}


def header_structs() -> dict[str, list[str]]:
    structs = {}
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} ", plain_header(), re.DOTALL):
        fields = [re.search(r"\(\*(\w+)\)|(\w+)(?:\[\w+\])?$", field) for field in body.split(";") if field.strip()]
        structs[name] = [field[1] or field[2] for field in fields if field]
    return structs


def test_functions_and_constants_are_those_of_the_header() -> None:
    functions, constants = header_functions(), header_constants()
    assert len(functions) > 30 and len(constants) > 40  # the patterns still fit
    assert {name for name in dir(lib) if name.startswith("guest_")} == functions
    assert {name for name in dir(lib) if name.startswith("GUEST_")} == constants


def test_structs_are_those_of_the_header() -> None:
    structs = header_structs()
    opaque = set(re.findall(r"typedef struct (\w+) \1;", plain_header()))
    assert {"guest_host_t", "guest_options_t", "guest_stats_t", "guest_event_t"} < set(structs)
    names = {name for name in ffi.list_types()[0] if name.startswith("guest_")}
    assert {name for name in names if ffi.typeof(name).kind == "struct"} == set(structs) | opaque
    for name in opaque:
        with pytest.raises((ValueError, ffi.error)):
            ffi.sizeof(name)
    for name, fields in structs.items():
        assert [field for field, _ in ffi.typeof(name).fields] == fields


@pytest.mark.once
def test_layout_and_values_are_those_of_the_compiler(tmp_path: Path) -> None:
    """What a C program sees of the header, and what the module believes."""
    lines, expected = [], []
    for name, fields in header_structs().items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected.append(f"{name} {ffi.sizeof(name)}")
        for field in fields:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
            expected.append(f"{name}.{field} {ffi.offsetof(name, field)}")
    for name in sorted(header_constants()):
        lines.append(f'printf("{name} %lld\\n", (long long)({name}));')
        value = getattr(lib, name)
        expected.append(f"{name} {value - 2**64 if value >= 2**63 else value}")
    source = tmp_path / "layout.c"
    source.write_text("#include <asyncguest.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\n}\n")
    subprocess.run(["cc", f"-I{HEADER.parent}", "-o", tmp_path / "layout", source], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    assert printed.splitlines() == expected


@pytest.mark.once
def test_the_type_stub_is_up_to_date() -> None:
    script = "from build_support import stub; print(stub.stub(), end='')"
    written = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout
    if os.environ.get("GUEST_BLESS"):
        (PROJECT / "src/asyncguest/_native.pyi").write_text(written)
    assert (PROJECT / "src/asyncguest/_native.pyi").read_text() == written, (
        "_native.pyi is behind include/asyncguest.h: run this test with GUEST_BLESS=1"
    )
    methods = set(re.findall(r"def ((?:guest|asyncguest)_\w+)\(", written))
    assert methods == {name for name in dir(lib) if name[0] in "ga"} - {"asyncguest_py_meet"}


# ---- version, tag, symbols


def test_one_version() -> None:
    version = importlib.metadata.version("asyncguest")
    major, minor, patch = map(int, version.split("."))
    assert lib.guest_version() == major * 1_000_000 + minor * 1_000 + patch
    assert ffi.string(lib.guest_version_string()).decode() == version
    assert f'\nversion = "{version}"\n' in (ROOT / "Cargo.toml").read_text()


def test_the_module_is_for_all_versions_of_python() -> None:
    assert Path(_native.__file__).name == "_native.abi3.so"
    tags = re.findall(
        r"^Tag: (.*)$", importlib.metadata.distribution("asyncguest").read_text("WHEEL") or "", re.MULTILINE
    )
    assert tags and all(tag.startswith("cp311-abi3-linux_") for tag in tags)


def test_the_package_says_that_it_is_typed_and_brings_no_sources() -> None:
    files = {str(file) for file in importlib.metadata.files("asyncguest") or ()}
    assert {"asyncguest/py.typed", "asyncguest/_native.pyi", "asyncguest/__init__.py"} <= files
    assert not [file for file in files if file.endswith((".c", ".rs", ".a"))]
    assert not [file for file in files if not file.startswith(("asyncguest/", "asyncguest-"))]
    assert len([file for file in files if "/licenses/LICENSE-" in file]) == 2


@pytest.mark.once
def test_nothing_but_the_module_itself_is_visible_to_other_libraries() -> None:
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", _native.__file__], check=True, capture_output=True, text=True
    )
    assert [line.split()[-1] for line in symbols.stdout.splitlines()] == ["PyInit__native"]


@pytest.fixture
def wheel() -> Path:
    """The wheel that is installed here (scripts/python.sh says where)."""
    found = list(Path(os.environ.get("ASYNCGUEST_DIST", ROOT / "build/python/dist")).glob("*.whl"))
    assert len(found) == 1, "there is no wheel, or more than one: run scripts/python.sh wheel"
    return found[0]


@pytest.mark.once
def test_auditwheel_finds_a_manylinux_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", tmp_path, wheel]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (repaired,) = tmp_path.iterdir()
    assert re.fullmatch(r"asyncguest-[\d.]+-cp311-abi3-(manylinux_?[\d_]+\w+\.?)+\.whl", repaired.name)


# ---- the sdist, and builds that cannot work


def setup_py(*arguments: object, folder: Path = PROJECT, **environment: str) -> str:
    """Runs setup.py, which has to fail; returns what it says."""
    command = [sys.executable, "setup.py", "-q", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name not in ("CARGO", "ASYNCGUEST_STATICLIB")}
    result = subprocess.run(command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True)
    assert result.returncode != 0
    return result.stdout + result.stderr


def build_ext(tmp_path: Path, **environment: str) -> str:
    return setup_py("build_ext", "--build-lib", tmp_path, "--build-temp", tmp_path, **environment)


def needed_rust() -> str:
    match = re.search(r'rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text())
    assert match
    return match[1]


def fake_cargo(folder: Path, script: str) -> str:
    cargo = folder / "cargo"
    cargo.write_text("#!/bin/sh\n" + script)
    cargo.chmod(0o755)
    return str(cargo)


@pytest.mark.once
def test_without_cargo_pip_says_what_to_do(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--wheel-dir",
        tmp_path,
        PROJECT,
    ]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "error: building asyncguest needs cargo, which is not in PATH" in said
    assert f"Install Rust {needed_rust()} or newer (https://rustup.rs), or install a ready wheel" in said


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("platform", "darwin", "darwin, 64-bit"),
        ("maxsize", 2**31 - 1, "linux, 32-bit"),
    ],
)
def test_another_system_is_told_so_before_it_needs_cargo(name: str, value: object, said: str, tmp_path: Path) -> None:
    script = f"import sys; from build_support import rust; sys.{name} = {value!r}; rust.static_library()"
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert result.returncode != 0
    assert f"libasyncguest runs on 64-bit Linux alone so far, and this is {said}" in result.stderr


@pytest.mark.once
def test_a_cargo_that_is_too_old(tmp_path: Path) -> None:
    said = build_ext(tmp_path, CARGO=fake_cargo(tmp_path, "echo 'cargo 1.63.0 (fd9c4297c 2022-07-01)'\n"))
    assert "is version 1.63, which is too old to build asyncguest" in said
    assert f"Install Rust {needed_rust()} or newer" in said


@pytest.mark.once
def test_a_cargo_that_does_not_work(tmp_path: Path) -> None:
    said = build_ext(tmp_path, CARGO=fake_cargo(tmp_path, "echo no toolchain is installed >&2; exit 1\n"))
    assert "cargo --version does not work: no toolchain is installed" in said


@pytest.mark.once
def test_a_build_that_fails_shows_the_words_of_cargo(tmp_path: Path) -> None:
    script = "[ $1 = --version ] && echo cargo 9.0.0 && exit; echo the words of cargo >&2; exit 101\n"
    said = build_ext(tmp_path, CARGO=fake_cargo(tmp_path, script))
    assert "the words of cargo" in said
    assert "error: cargo could not build libasyncguest" in said


@pytest.mark.once
def test_a_ready_library_that_is_not_there(tmp_path: Path) -> None:
    said = build_ext(tmp_path, ASYNCGUEST_STATICLIB=str(tmp_path / "lib.a"))
    assert f"ASYNCGUEST_STATICLIB names {tmp_path / 'lib.a'}, and there is no such file" in said


@pytest.mark.once
def test_the_folder_alone_is_not_enough(tmp_path: Path) -> None:
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "build_support", tmp_path / "build_support")
    said = setup_py("--version", folder=tmp_path)
    assert "the Rust sources of asyncguest are not where they belong" in said
    assert "Build from a complete checkout" in said


@pytest.mark.once
@pytest.mark.timeout(600)
def test_the_sdist_is_complete(tmp_path: Path) -> None:
    """It has what it needs and no more, whatever an earlier build took; and builds where there is no checkout."""
    earlier = ROOT / "build/python/setuptools/asyncguest.egg-info/SOURCES.txt"
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_text("build_support/types.txt\n")
    build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, PROJECT]
    subprocess.run(build, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        assert not [member.name for member in archive if member.issym() or member.islnk()]
    folders = ("src", "include", "bindings/python/src", "bindings/python/build_support")
    tree = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    sources = [name for name in tree if name.endswith((".rs", ".h", ".py", ".pyi", ".c", "/py.typed"))]
    own = {
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "MANIFEST.in",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
    }
    crate = {
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "build.rs",
        "cbindgen.toml",
    }
    python = "bindings/python/"
    assert names == own | {f"rust/{name}" for name in crate} | {
        name.removeprefix(python) if name.startswith(python) else f"rust/{name}" for name in sources
    }

    outside = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    # That it builds is looked at, not how fast the result is: that halves the work.
    outside |= {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", site, sdist]
    result = subprocess.run(pip, cwd=tmp_path, env=outside, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    script = "import asyncguest._native as n; print(n.__file__, n.ffi.string(n.lib.guest_version_string()).decode())"
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=site, check=True, capture_output=True, text=True
    ).stdout
    assert printed.split() == [str(site / "asyncguest/_native.abi3.so"), importlib.metadata.version("asyncguest")]


def test_the_package_is_the_installed_one() -> None:
    assert PROJECT not in Path(asyncguest.__file__).parents
