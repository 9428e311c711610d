"""The package as a thing to install: the native module and its stub, the wheel, the sdist."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import asyncguest
import pytest
from asyncguest import _native

PROJECT = Path(__file__).resolve().parents[1]
ROOT = PROJECT.parents[1]
#: With the programs of this interpreter's own environment, which maturin and auditwheel start by name.
# Without the runtime of a sanitizer, beside which cargo hangs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
ENVIRONMENT["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


# ---- the module is what its stub says


def of_this_system(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Without what the stub declares for other systems."""
    for node in body:
        if isinstance(node, ast.If):
            holds = eval(compile(ast.Expression(node.test), "_native.pyi", "eval"), {"sys": sys})
            yield from of_this_system(node.body if holds else node.orelse)
        else:
            yield node


def stub() -> dict[str, ast.stmt]:
    """What the stub declares, by name; a class's members by `Class.member`."""
    found: dict[str, ast.stmt] = {}
    tree = ast.parse((Path(asyncguest.__file__).parent / "_native.pyi").read_text())
    top = list(of_this_system(tree.body))
    for prefix, body in [
        ("", top),
        *((f"{node.name}.", node.body) for node in top if isinstance(node, ast.ClassDef)),
    ]:
        for node in of_this_system(body):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[prefix + node.name] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[prefix + node.target.id] = node
    return found


def members(thing: object) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_stub_has_all_of_the_module_and_no_more() -> None:
    classes = {name: thing for name, thing in vars(_native).items() if isinstance(thing, type)}
    names = members(_native) | {f"{owner}.{name}" for owner, thing in classes.items() for name in members(thing)}
    assert names == {name for name in stub() if not name.rpartition(".")[2].startswith("_")}


def parameters(node: ast.FunctionDef) -> list[tuple[str, object, bool]]:
    """Name, kind and whether there is a default, as the stub has it."""
    arguments = node.args
    positional = [(each, inspect.Parameter.POSITIONAL_ONLY) for each in arguments.posonlyargs]
    positional += [(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in arguments.args]
    without = len(positional) - len(arguments.defaults)
    found: list[tuple[str, object, bool]] = [
        (each.arg, kind, number >= without) for number, (each, kind) in enumerate(positional)
    ]
    if arguments.vararg is not None:
        found.append((arguments.vararg.arg, inspect.Parameter.VAR_POSITIONAL, False))
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults)
    return found + [(each.arg, inspect.Parameter.KEYWORD_ONLY, default is not None) for each, default in keywords]


def test_the_stub_has_the_parameters_of_each_function() -> None:
    looked_at = 0
    for name, node in stub().items():
        owner, _, last = name.rpartition(".")
        real = vars(getattr(_native, owner) if owner else _native).get(last)
        if not isinstance(node, ast.FunctionDef) or last.startswith("_"):
            continue
        if inspect.isgetsetdescriptor(real):
            assert [ast.unparse(each) for each in node.decorator_list] == ["property"], name
            continue
        signature = inspect.signature(real)  # type: ignore[arg-type]
        there = [
            (each.name, each.kind, each.default is not each.empty)
            for each in signature.parameters.values()
            if each.name != "self"
        ]
        assert there == [each for each in parameters(node) if each[0] != "self"], name
        looked_at += 1
    assert looked_at > 20
    new = stub()["Reactor.__new__"]
    assert isinstance(new, ast.FunctionDef)
    assert [each[0] for each in parameters(new)][1:] == list(inspect.signature(_native.Reactor).parameters)


# ---- version, tag, symbols


def test_one_version() -> None:
    version = importlib.metadata.version("asyncguest")
    assert version == asyncguest.__version__ == _native.__version__
    for manifest in (ROOT / "Cargo.toml", PROJECT / "Cargo.toml"):
        assert tomllib.loads(manifest.read_text())["package"]["version"] == version


def test_the_module_is_for_all_versions_of_python() -> None:
    assert Path(_native.__file__).name == "_native.abi3.so"
    wheel = importlib.metadata.distribution("asyncguest").read_text("WHEEL") or ""
    tags = re.findall(r"^Tag: (.*)$", wheel, re.MULTILINE)
    assert tags and all(tag.startswith("cp311-abi3-linux_") for tag in tags)


def test_the_package_needs_nothing() -> None:
    needed = importlib.metadata.requires("asyncguest") or []
    assert [each for each in needed if "extra ==" not in each] == []


def test_the_package_works_in_a_python_without_ssl_and_ctypes() -> None:
    """What CPython itself can be built without."""
    absent = [
        "_bz2",
        "_ctypes",
        "_curses",
        "_hashlib",
        "_lzma",
        "_multiprocessing",
        "_sqlite3",
        "_ssl",
        "_tkinter",
        "zlib",
    ]
    program = f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
    program += (PROJECT / "build_support/started.py").read_text().partition('"""\n')[2]
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", program], check=True)


def test_the_wheel_has_the_sources_of_python_and_nothing_of_rust() -> None:
    files = {str(file) for file in importlib.metadata.files("asyncguest") or () if file.suffix != ".pyc"}
    tree = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "asyncguest"],
        cwd=PROJECT / "src",
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    sources = {name for name in tree if (PROJECT / "src" / name).exists()}
    assert {file for file in files if file.startswith("asyncguest/")} == sources | {"asyncguest/_native.abi3.so"}
    assert {"asyncguest/py.typed", "asyncguest/_native.pyi"} < sources
    assert not [file for file in files if not file.startswith(("asyncguest/", "asyncguest-"))]
    assert len([file for file in files if "/licenses/LICENSE-" in file]) == 2


@pytest.mark.once
def test_nothing_but_the_module_itself_is_visible_to_other_libraries() -> None:
    """Nor does the loader take it for the library, which another one in the process may ask for."""
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", _native.__file__], check=True, capture_output=True, text=True
    )
    assert [line.split()[-1] for line in symbols.stdout.splitlines()] == ["PyInit__native"]
    dynamic = subprocess.run(["readelf", "-dW", _native.__file__], check=True, capture_output=True, text=True).stdout
    assert "(NEEDED)" in dynamic and "libc.so" in dynamic
    assert "(SONAME)" not in dynamic and "libpython" not in dynamic


@pytest.fixture
def wheel() -> Path:
    """The wheel that is installed here (scripts/python.sh says where)."""
    found = list(Path(os.environ.get("ASYNCGUEST_DIST", ROOT / "build/python/dist")).glob("*.whl"))
    assert len(found) == 1, "there is no wheel, or more than one: run scripts/python.sh wheel"
    return found[0]


@pytest.mark.once
def test_auditwheel_finds_a_manylinux_wheel(wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", tmp_path, wheel]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (repaired,) = tmp_path.iterdir()
    assert re.fullmatch(r"asyncguest-[\d.]+-cp311-abi3-(manylinux_?[\d_]+\w+\.?)+\.whl", repaired.name)


# ---- the sdist, and another version


@pytest.mark.once
@pytest.mark.timeout(900)
def test_the_sdist_is_complete(tmp_path: Path) -> None:
    """It has what it needs and no more, and builds where there is no checkout."""
    build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, PROJECT]
    subprocess.run(build, env=ENVIRONMENT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        assert not [member.name for member in archive if member.issym() or member.islnk()]
    folders = ("src", "include", "bindings/python/src", "bindings/python/native")
    tree = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    # The Python sources stand where pyproject.toml says, and maturin puts that file at the top.
    sources = {
        name.replace("bindings/python/src/", "src/")
        for name in tree
        if name.endswith((".rs", ".h", ".py", ".pyi", "/py.typed"))
    }
    both = {"Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"}
    crate = {"CHANGELOG.md", "PKG-INFO", "build.rs", "cbindgen.toml", "pyproject.toml"}
    assert names == sources | both | {f"bindings/python/{name}" for name in both} | crate

    outside = {name: value for name, value in ENVIRONMENT.items() if name != "CARGO_TARGET_DIR"}
    # That it builds is looked at, not how fast the result is: that halves the work.
    outside |= {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", site, sdist]
    result = subprocess.run(pip, cwd=tmp_path, env=outside, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    script = "import asyncguest._native as n; print(n.__file__, n.__version__)"
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=site, check=True, capture_output=True, text=True
    ).stdout
    assert printed.split() == [str(site / "asyncguest/_native.abi3.so"), importlib.metadata.version("asyncguest")]


def test_the_package_is_the_installed_one() -> None:
    assert PROJECT not in Path(asyncguest.__file__).parents
