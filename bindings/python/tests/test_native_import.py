"""The native module (native/src) when it is imported, when it is not to be, and what no Python code runs below."""

from __future__ import annotations

import subprocess
import sys
from time import monotonic

import pytest
from asyncguest import _native
from asyncguest._native import Reactor, open_reactors

# Destructors run, and may meet a loop of another thread, when nothing can be imported any more.
LATE = """
import importlib, importlib.util, sys, threading, types
package = importlib.util.find_spec("asyncguest")
if sys.argv[1] != "asyncguest":  # that module comes before all others of the package
    stub = sys.modules["asyncguest"] = types.ModuleType("asyncguest")
    stub.__path__ = package.submodule_search_locations
    importlib.import_module(sys.argv[1])
    del sys.modules["asyncguest"]
import asyncguest
from asyncguest._native import Reactor, Receiver
from asyncguest.hosts.queue import QueueHost

classes = [asyncguest.WrongThread, asyncguest.GuestError, asyncguest.GuestClosed, asyncguest.SourceGone, OSError]
told = []

def tell(function, *args):
    try:
        function(*args)
    except BaseException as error:
        told.append(type(error))

async def main():
    sys.modules["asyncguest._errors"] = sys.modules["os"] = None
    reactor, receiver = Reactor(), Receiver(None)
    receiver.gone()
    other = threading.Thread(target=tell, args=(reactor.begin, 0))
    other.start()
    other.join()
    tell(reactor.end, None, False)
    with reactor.delivery():
        tell(reactor.watch, 9999, 1)
    reactor.close()
    tell(reactor.begin, 0)
    tell(receiver.take)

host = QueueHost()
asyncguest.Guest(host, done_callback=host.stop).start(main)
host.run()
host.close()
assert set(told) == set(classes) and len(told) == 5, told
"""


GUARDED = """
import asyncio, socket, sys

class Guarded(socket.socket):
    def __new__(cls, *args, **options):
        raise RuntimeError("no sockets in tests")

real, socket.socket = socket.socket, Guarded if sys.argv[1] == "class" else lambda *args: Guarded()
import asyncguest
socket.socket = real
print(asyncguest.run(asyncio.sleep(0, "ran")))
"""


@pytest.mark.parametrize("guard", ["class", "function"])
def test_it_can_be_imported_while_tests_are_kept_from_opening_sockets(guard: str) -> None:
    ended = subprocess.run([sys.executable, "-c", GUARDED, guard], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("first", ["asyncguest", "asyncguest._native"])
def test_exceptions_are_there_when_nothing_can_be_imported_any_more(first: str) -> None:
    """They are looked up while the module is imported, whichever of the package's comes first."""
    ended = subprocess.run([sys.executable, "-c", LATE, first], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_no_python_code_runs_below_a_function_of_the_module() -> None:
    """When the interpreter goes, CPython unwinds the stacks of daemon threads that are in Python code; Rust's cannot be."""
    called = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        reactor = Reactor()
        with reactor.delivery():
            reactor.poll(1)
        reactor.begin(0)
        reactor.end(monotonic() + 1, False)
        open_reactors()
        reactor.close()
    finally:
        sys.setprofile(None)
    assert not called


@pytest.mark.once
def test_a_sub_interpreter_is_refused_in_words() -> None:
    interpreters = pytest.importorskip("_interpreters", reason="CPython 3.13 is the first that has this module")
    script = """
import importlib.util
spec = importlib.util.spec_from_file_location("asyncguest._native", PATH)
try:
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    raise SystemExit("it was let in")
except ImportError as error:
    assert "works in the main interpreter alone" in str(error), error
"""
    inner = interpreters.create("legacy")
    try:
        assert interpreters.exec(inner, f"PATH = {_native.__file__!r}" + script) is None
    finally:
        interpreters.destroy(inner)
