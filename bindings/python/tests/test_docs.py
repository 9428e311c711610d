"""The pages tell the truth: their programs run, print what the pages say they print, and name all that is public."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncguest
import pytest
from asyncguest._recipes import RECIPES
from blocks import Block, blocks_of, is_like

pytestmark = pytest.mark.once  # the pages are the same for each interpreter

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent
ROOT = PACKAGE.parent.parent
DOCS = ROOT / "docs" / "python"
PAGES = [*sorted(DOCS.rglob("*.md")), PACKAGE / "README.md"]
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
# Their programs need the toolkits: tests/hosts/pages.py runs them.
HOST_PAGES = sorted((ROOT / "docs" / "hosts").glob("*.md"))
EXAMPLES = sorted((PACKAGE / "examples").glob("*.py"))
WITH_DISPLAY = ROOT / "examples" / "demo" / "with_display.sh"


def run(program: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs a program as a reader of the page would, with every warning an error."""
    command = [sys.executable, "-X", "dev", "-W", "error"]
    if re.search(r"^(import|from) tkinter", code, re.MULTILINE):
        if not os.environ.get("DISPLAY") and shutil.which("Xvfb") is None:
            pytest.skip("no display, and no Xvfb to make one")
        command = [str(WITH_DISPLAY), *command, str(HERE / "tk_user.py")]
    command.append(str(program))
    with subprocess.Popen(
        command,
        cwd=program.parent,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that a program that hangs is ended with its display
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            stdout, stderr = process.communicate()
            pytest.fail(f"does not end\n--- stdout:\n{stdout}--- stderr:\n{stderr}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def check(done: subprocess.CompletedProcess[str], prints: str) -> None:
    told = f"\n--- exit {done.returncode}, stdout:\n{done.stdout}--- stderr:\n{done.stderr}"
    assert done.returncode == 0, told
    # asyncio's debug mode times every callback: on a busy machine any of them may be slow, and dialogs always are.
    stderr = re.sub(r"^Executing .* took [0-9.]+ seconds\n", "", done.stderr, flags=re.MULTILINE)
    assert not stderr.strip(), told
    assert is_like(done.stdout, prints), told


def with_libraries(code: str) -> None:
    """Skips what wants a library that is not to be had for this interpreter."""
    for name in ("trio", "anyio"):
        if re.search(rf"^(import|from) (asyncguest\.(hosts|guests)\.)?{name}\b", code, re.MULTILINE):
            pytest.importorskip(name, reason=f"{name} has no wheel for this interpreter")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_block_of_a_page_runs(block: Block, tmp_path: Path) -> None:
    if block.reason_not_to_run:
        compile(block.code, block.name, "exec")
        return
    with_libraries(block.code)
    check(run(block.write(tmp_path), block.code), block.prints)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example_runs(example: Path) -> None:
    code = example.read_text()
    assert code.count("\n") < 60, "an example is to be read at a glance"
    with_libraries(code)
    done = run(example, code)
    check(done, "...")
    assert done.stdout, "an example shows that it has done something"


def test_pages_are_where_the_tests_look() -> None:
    assert len(BLOCKS) > 20 and len(EXAMPLES) >= 6
    assert sum(1 for block in BLOCKS if block.reason_not_to_run) < len(BLOCKS) / 5


@pytest.mark.parametrize("code", ["print()\nprint('else')", "open(__file__)", "exit(1)", "import this_is_not"])
def test_a_block_that_does_not_do_what_the_page_says_is_caught(code: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```python\nprint('this')\n{code}\n```\n<!-- prints -->\n```text\nthis\n```\n")
    (block,) = blocks_of(page)
    with pytest.raises(AssertionError):
        check(run(block.write(tmp_path), block.code), block.prints)


@pytest.mark.parametrize("page", [*PAGES, *HOST_PAGES], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#: ]+)[)#]", text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_a_link_of_the_site_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    links = ["b.html", "b.html#there", "#here", "https://elsewhere.org/", "c.html", "b.html#gone", "#gone", "no.png"]
    (tmp_path / "a.html").write_text('<p id="here">' + "".join(f'<a href="{link}">x</a>' for link in links))
    (tmp_path / "b.html").write_text('<p id="there">')
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "check_site.py"), str(tmp_path)], capture_output=True, text=True
    )
    nowhere = [f"a.html: {link}" for link in links[4:]]
    assert done.stdout.splitlines() == [*nowhere, "7 links on the site, 4 lead nowhere"] and done.returncode == 1


@pytest.mark.parametrize("page", [*PAGES, *HOST_PAGES], ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    text = page.read_text()
    for module in re.findall(r"python -m (asyncguest[.a-z]*)", text):
        spec = importlib.util.find_spec(module)
        assert spec is not None, f"{page.name}: no {module}"
        assert not spec.submodule_search_locations or importlib.util.find_spec(f"{module}.__main__"), module
    for word in re.findall(r"scripts/python.sh ([a-z]+)", text):
        assert f"do_{word}()" in (ROOT / "scripts" / "python.sh").read_text(), f"{page.name}: no word {word}"


def test_each_page_about_a_host_is_in_the_table_of_them() -> None:
    table = (ROOT / "docs" / "hosts" / "README.md").read_text()
    assert [page.name for page in HOST_PAGES if page.name != "README.md" and f"]({page.name})" not in table] == []


def test_each_recipe_that_start_names_has_its_page() -> None:
    pages = [page.stem for page in HOST_PAGES]
    assert [recipe.page for recipe in RECIPES if recipe.page not in pages] == []


def test_reference_names_all_that_is_public() -> None:
    page = (DOCS / "reference.md").read_text()
    hosts = sorted(path.stem for path in (Path(asyncguest.__file__).parent / "hosts").glob("[a-z]*.py"))
    missing = [name for name in asyncguest.__all__ if f" asyncguest.{name}" not in page and name != "__version__"]
    missing += [name for name in hosts if f"asyncguest.hosts.{name}" not in page]
    assert not missing


def test_all_that_is_public_says_what_it_is() -> None:
    silent = []
    for name in asyncguest.__all__:
        thing = getattr(asyncguest, name)
        members = [key for key in vars(thing) if key[0] != "_"] if isinstance(thing, type) else []
        for where, part in [(name, thing), *((f"{name}.{key}", inspect.getattr_static(thing, key)) for key in members)]:
            if inspect.isroutine(part) or isinstance(part, (type, property)):
                # What is overridden says it in the base class: getdoc looks there.
                if not inspect.getdoc(thing if part is thing else getattr(thing, where.split(".")[1])):
                    silent.append(where)
    assert not silent


def messages() -> list[tuple[str, str]]:
    """Where the package raises or warns with a text of its own, and how the longest fixed piece of the text begins."""
    found = []
    for source in sorted(Path(asyncguest.__file__).parent.rglob("*.py")):
        if "demo" in source.parts:
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                call = node.exc
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "warn":
                call = node
            else:
                continue
            constants = [part.value for part in ast.walk(call) if isinstance(part, ast.Constant)]
            if pieces := [value for value in constants if isinstance(value, str)]:
                found.append((f"{source.name}:{node.lineno}", max(pieces, key=len)))
    for source in sorted((PACKAGE / "native/src").rglob("*.rs")):
        for text in re.findall(r'(?<!AssertionError)::new_err\(\s*"([^"]+)"', source.read_text()):
            found.append((source.name, text))
    return found


def test_troubleshooting_explains_every_message() -> None:
    page = re.sub(r"\s+", " ", (DOCS / "troubleshooting.md").read_text())
    silent = []
    for where, text in messages():
        words = re.sub(r"\s+", " ", text).strip(" :,.;'\"()")
        if words[:30].rstrip() not in page:
            silent.append(f"{where}: {words}")
    assert not silent, "\n".join(silent)
