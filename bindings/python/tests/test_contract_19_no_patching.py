"""Contract point 19: nothing in asyncio, signal, selectors or elsewhere is replaced; types are complete; errors say what to do."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncguest
import pytest

PACKAGE = Path(asyncguest.__file__).parent


def test_no_name_of_another_module_is_replaced() -> None:
    """Every attribute of the standard library's modules, and of their classes, before the import and after whole runs."""
    program = textwrap.dedent(
        """
        import asyncio, asyncio.base_events, asyncio.events, asyncio.runners, asyncio.selector_events, asyncio.tasks
        import asyncio.unix_events, atexit, concurrent.futures.thread, contextvars, selectors, signal, socket, sys, threading

        modules = [asyncio, asyncio.base_events, asyncio.events, asyncio.runners, asyncio.selector_events, asyncio.tasks,
                   asyncio.unix_events, contextvars, selectors, signal, socket, threading, sys, concurrent.futures.thread]
        # What the interpreter itself changes while it runs.
        living = {"last_exc", "last_value", "last_type", "last_traceback", "_dangling", "_active", "_limbo", "_dummy_threads",
                  "_threads_queues", "path_importer_cache", "modules", "_running_loop", "_shutdown_locks", "_shutdown", "exc_info"}

        def look():
            found = {}
            for module in modules:
                for name, value in vars(module).items():
                    if name in living or name.startswith("__"):
                        continue
                    found[module.__name__, name] = id(value)
                    if isinstance(value, type) and value.__module__.split(".")[0] in ("asyncio", "selectors", "threading"):
                        for attribute, item in vars(value).items():
                            if attribute not in ("__dict__", "__weakref__", "_abc_impl", "__abstractmethods__"):
                                found[module.__name__, name, attribute] = id(item)
            return found

        class Warm(asyncio.SelectorEventLoop):
            pass

        async def main():
            await asyncio.sleep(0)
            await asyncio.get_running_loop().run_in_executor(None, int)

        asyncio.run(main())  # what asyncio sets up by itself is there before the first look
        policy = asyncio.get_event_loop_policy
        before = look()
        import asyncguest
        from asyncguest.hosts.queue import QueueHost
        for drive in ("fd", "thread"):
            host = QueueHost(drive)
            guest = asyncguest.Guest(host, done_callback=host.stop)
            guest.start(main)
            during = look()
            host.run()
            host.close()
            changed = {key for key in before if before[key] != during.get(key)} | (set(during) - set(before))
            print("during", sorted(changed, key=str))
        asyncguest.run(main())
        after = look()
        print("after", sorted({key for key in before if before[key] != after.get(key)} | (set(after) - set(before)), key=str))
        asyncio.run(main())
        print("asyncio still works")
        """
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines() == ["during []", "during []", "after []", "asyncio still works"], found.stdout


# Hooks that are there to be set, and that hostcheck sets for the length of one check in a process of its own.
ALLOWED = {("_hostcheck", "sys.excepthook"), ("_hostcheck", "sys.unraisablehook")}


@pytest.mark.once
def test_no_source_file_assigns_to_an_attribute_of_an_imported_module() -> None:
    offenders: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        modules = {
            (alias.asname or alias.name.split(".")[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        for node in ast.walk(tree):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
                targets = [node.target]
            for target in targets:
                root: ast.expr = target
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(target, ast.Attribute) and isinstance(root, ast.Name) and root.id in modules:
                    if (path.parent.name, ast.unparse(target)) not in ALLOWED:
                        offenders.append(f"{path.name}:{node.lineno}: {ast.unparse(target)}")
    assert offenders == []


@pytest.mark.once
def test_private_names_are_touched_in_few_files_alone() -> None:
    """`module._name` of a foreign module appears only where the versions are written down."""
    foreign = {
        "asyncio",
        "base_events",
        "threading",
        "signal",
        "selectors",
        "contextvars",
        "socket",
        "concurrent",
        "heapq",
    }
    written_down = (
        "_compat.py",
        "_cpython_loop.py",
        "_transport.py",
        "_transport_base.py",
        "_unix_transports.py",
        "_windows.py",
    )
    offenders: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name in written_down:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                root: ast.expr = node.value
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(root, ast.Name) and root.id in foreign:
                    offenders.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert offenders == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


PUBLIC = [getattr(asyncguest, name) for name in asyncguest.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_every_public_name_is_documented_and_annotated(thing: object) -> None:
    assert inspect.getdoc(thing), "no docstring"
    functions = [thing] if inspect.isfunction(thing) else []
    if inspect.isclass(thing):
        functions = [
            value
            for name, value in vars(thing).items()
            if inspect.isfunction(value) and not name.startswith("_") and thing.__module__.startswith("asyncguest")
        ]
    for function in functions:
        assert inspect.getdoc(function), f"{function.__qualname__} has no docstring"
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, function.__qualname__
        for parameter in list(signature.parameters.values()):
            if parameter.name != "self":
                assert parameter.annotation is not inspect.Parameter.empty, f"{function.__qualname__}({parameter})"


def test_all_is_complete_and_exports_nothing_private() -> None:
    public = {
        name for name in vars(asyncguest) if not name.startswith("_") and not inspect.ismodule(vars(asyncguest)[name])
    }
    assert public <= set(asyncguest.__all__)
    assert all(hasattr(asyncguest, name) for name in asyncguest.__all__)
