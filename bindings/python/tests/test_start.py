"""`asyncguest.start`: the host that is found on this thread, and what is said when there is none, or more than one."""

from __future__ import annotations

import asyncio
import importlib.machinery
import inspect
import sys
import threading
import types

import asyncguest
import pytest
import tkhelp
from asyncguest import _detect, _toolkits
from asyncguest._recipes import RECIPES
from asyncguest.hosts.asyncio import AsyncioHost
from asyncguest.hosts.base import Found
from asyncguest.hosts.queue import QueueHost

display, root = tkhelp.display, tkhelp.root


@pytest.fixture
def toolkits(monkeypatch):
    """Makes a table of toolkits that this test has invented: label, what it finds, and what it stands on."""
    monkeypatch.setattr(_detect, "TOOLKITS", ())

    def add(label, find, stands_on=(), shown_by=("sys",), system=None):
        row = _toolkits.Toolkit(label, shown_by, find, stands_on, f"asyncguest.hosts.{label.lower()}", system)
        monkeypatch.setattr(_detect, "TOOLKITS", (*_detect.TOOLKITS, row))

    return add


class Toolkit:
    """A QueueHost that is found."""

    def __init__(self, name, running):
        self.host = QueueHost()
        self.host.name = name
        self.found = Found(name, running, lambda: self.host)

    def find(self):
        return self.found


@pytest.fixture
def make():
    made = []

    def toolkit(name, running=False):
        made.append(Toolkit(name, running))
        return made[-1]

    yield toolkit
    for one in made:
        one.host.close()


async def nothing():
    await asyncio.sleep(0)


# ---- what is found


def test_the_one_that_is_made_is_taken_and_gets_the_options(toolkits, make):
    done = []
    mine = make("mine")
    toolkits("Other", lambda: None)
    toolkits("Mine", mine.find)

    async def main(number):
        await asyncio.sleep(0)
        return number

    guest = asyncguest.start(main, 7, name="the name", done_callback=lambda task: (done.append(task), mine.host.stop()))
    assert guest.host is mine.host and guest.name == "the name" and guest.state == "running"
    mine.host.run()
    assert guest.task.result() == 7 and done == [guest.task]


def test_one_that_runs_comes_before_those_that_are_made(toolkits, make):
    first, second, third = make("first"), make("second", running=True), make("third")
    for one in (first, second, third):
        toolkits(one.host.name, one.find)
    assert _detect.find_host() is second.host


@pytest.mark.parametrize("running", [False, True])
def test_one_that_stands_on_another_counts_once(toolkits, make, running):
    lower, upper = make("lower", running), make("upper", running)
    toolkits("Lower", lower.find)
    toolkits("Upper", upper.find, stands_on=("Lower", "Win32"))
    assert _detect.find_host() is upper.host


def test_a_second_guest_lives_where_the_first_one_does(toolkits, make):
    """Also between the guests' deliveries, and whatever else is there."""
    mine = make("mine")
    hosts = []

    async def main():
        hosts.append(asyncguest.start(nothing).host)
        await asyncio.sleep(0)

    guest = asyncguest.start(main, host=mine.host, done_callback=mine.host.stop)
    toolkits("Mine", make("other").find)
    hosts.append(asyncguest.start(nothing).host)
    mine.host.run()
    guest.task.result()
    while asyncguest.stats().guests:
        mine.host.run_once()
    assert hosts == [mine.host, mine.host]


def test_a_host_that_is_given_is_taken_unseen(toolkits, make):
    def never():
        raise AssertionError

    toolkits("Never", never)
    mine = make("mine").host
    guest = asyncguest.start(nothing, host=mine, done_callback=mine.stop)
    mine.run()
    assert guest.state == "ended" and guest.host is mine


def test_a_function_is_a_host_too(make):
    mine = make("mine").host
    guest = asyncguest.start(nothing, host=mine.post, done_callback=mine.stop)
    mine.run()
    assert guest.state == "ended"


def test_in_an_asyncio_program():
    async def program():
        guest = asyncguest.start(nothing)
        assert type(guest.host) is AsyncioHost
        await guest.host.wait(guest)
        assert guest.state == "ended"

    asyncio.run(program())


def test_in_a_trio_program():
    trio = pytest.importorskip("trio")
    from asyncguest.hosts.trio import TrioHost

    async def program():
        guest = asyncguest.start(nothing)
        assert type(guest.host) is TrioHost
        await guest.host.wait(guest)

    trio.run(program)


def test_a_window_of_tk_on_its_own_thread_alone(root, monkeypatch):
    from asyncguest.hosts import tk

    monkeypatch.setattr("tkinter._default_root", root)  # a test before may have left one that is destroyed
    found, elsewhere = tk.find(), []
    thread = threading.Thread(target=lambda: elsewhere.append(tk.find()))
    thread.start()
    thread.join()
    assert found is not None and type(found.make()) is tk.TkHost and elsewhere == [None]
    guest = asyncguest.start(nothing, done_callback=lambda task: root.quit())
    assert type(guest.host) is tk.TkHost
    root.mainloop()
    assert guest.state == "ended"
    root.tk.call("destroy", ".")
    assert tk.find() is None


# ---- what is not


def refusal():
    """The message, when nothing can be chosen; and then nothing is left of the coroutine or of a run."""
    with pytest.raises(asyncguest.GuestError) as caught:
        asyncguest.start(nothing)
    return str(caught.value)


def test_none_says_what_was_looked_for(toolkits):
    toolkits("Absent", None, shown_by=("no_such_toolkit",))
    toolkits("Quiet", lambda: None)
    message = refusal()
    assert "no main loop was found on this thread" in message and "not imported: Absent" in message
    assert "Quiet (imported, but no main loop" in message and "give host=" in message


def test_several_are_named(toolkits, make):
    toolkits("Tk", make("Tk").find)
    toolkits("Qt", make("Qt (PyQt6)").find)
    message = refusal()
    assert "Tk (made), Qt (PyQt6) (made)" in message
    assert "give host=..., of asyncguest.hosts.tk or asyncguest.hosts.qt" in message


def test_several_that_run_are_named_without_those_that_do_not(toolkits, make):
    toolkits("One", make("One", running=True).find)
    toolkits("Two", make("Two", running=True).find)
    toolkits("Three", make("Three").find)
    assert "One (running), Two (running). Say" in refusal()


def test_a_broken_toolkit_does_not_hide_another_one(toolkits, make):
    def fails():
        raise AttributeError("QtCore has no QCoreApplication")

    mine = make("mine")
    toolkits("Broken", fails)
    assert "Broken (could not be looked at: AttributeError: QtCore has no QCoreApplication)" in refusal()
    toolkits("Mine", mine.find)
    assert _detect.find_host() is mine.host


def test_a_toolkit_that_another_thread_is_importing_is_not_waited_for(toolkits, monkeypatch):
    def never():
        raise AssertionError

    half = types.ModuleType("half")
    half.__spec__ = importlib.machinery.ModuleSpec("half", None)
    half.__spec__._initializing = True
    monkeypatch.setitem(sys.modules, "half", half)
    monkeypatch.setitem(sys.modules, "blocked", None)  # what `import blocked` then refuses
    toolkits("Half", never, shown_by=("half", "blocked"))
    assert "not imported: Half" in refusal()


def test_a_real_import_on_another_thread(toolkits, tmp_path, monkeypatch):
    """As above, but with the import system's own marks."""
    (tmp_path / "slow_toolkit.py").write_text("import sys\nsys.slow_begun.set()\nsys.slow_go.wait(10)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "slow_begun", threading.Event(), raising=False)
    monkeypatch.setattr(sys, "slow_go", threading.Event(), raising=False)
    toolkits("Slow", lambda: None, shown_by=("slow_toolkit",))
    thread = threading.Thread(target=importlib.import_module, args=("slow_toolkit",))
    thread.start()
    try:
        assert sys.slow_begun.wait(10)
        assert "not imported: Slow" in refusal()
    finally:
        sys.slow_go.set()
        thread.join()
        sys.modules.pop("slow_toolkit", None)


def test_another_systems_loop_is_not_looked_for(toolkits):
    toolkits("Elsewhere", None, shown_by=(), system="another")
    assert "Elsewhere" not in refusal()


def test_another_threads_loop_is_not_this_threads():
    """The running loop of the main thread is not the host of a worker."""
    messages = []

    def look():
        with pytest.raises(asyncguest.GuestError) as caught:
            asyncguest.start(nothing)
        messages.append(str(caught.value))

    async def program():
        thread = threading.Thread(target=look)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)

    asyncio.run(program())
    assert "asyncio (imported, but no main loop" in messages[0]


def test_what_finds_something_else_is_no_adapter(toolkits, make):
    toolkits("Wrong", lambda: make("wrong").host)
    assert (
        "Wrong (could not be looked at: TypeError: find() must return an asyncguest.hosts.base.Found or None, not <"
        in (refusal())
    )


# ---- toolkits that have a recipe


def module(monkeypatch, name, **contents):
    """A module that the program has imported."""
    made = types.ModuleType(name)
    vars(made).update(contents)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.page)
def test_a_recipe_is_named(recipe, toolkits, monkeypatch):
    module(monkeypatch, recipe.shown_by)
    message = refusal()
    assert message.startswith(
        f"no main loop was found on this thread. {recipe.label} is imported: {recipe.advice} (docs/"
    )


def test_no_recipe_is_named_for_what_is_not_imported(toolkits, monkeypatch):
    for recipe in RECIPES:
        monkeypatch.delitem(sys.modules, recipe.shown_by, raising=False)
    assert refusal().startswith("no main loop was found on this thread. Looked for: ")


def test_what_is_found_needs_no_recipe(make, toolkits, monkeypatch):
    module(monkeypatch, RECIPES[0].shown_by)
    mine = make("mine")
    toolkits("Mine", mine.find)
    assert _detect.find_host() is mine.host


def test_webview_python_is_not_pywebview(monkeypatch):
    """Both are imported as webview."""
    module(monkeypatch, "webview", Webview=object)
    module(monkeypatch, "webview.webview", Webview=object)
    message = refusal()
    assert "webview_python is imported: it is not pywebview" in message
    assert "pywebview (" not in message and "not imported: pywebview" in message


# ---- the table


def test_looking_imports_no_toolkit_and_no_adapter_of_another():
    import subprocess

    program = (
        "import sys, asyncguest\n"
        "try:\n    asyncguest.start(print)\nexcept asyncguest.GuestError: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('asyncguest.hosts.')))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    adapters = [name for name in eval(out) if "hosts._" not in name]
    assert adapters == ["asyncguest.hosts.asyncio", "asyncguest.hosts.base"]


def test_the_package_imports_what_a_loop_without_a_host_needs():
    """The rest comes with the first name of it, and all at once: no import is left for a turn of the host."""
    import subprocess

    program = (
        "import asyncio, sys\nbefore = set(sys.modules)\n"
        "def new(): return sorted(name for name in sys.modules if name not in before)\n"
        "import asyncguest\nloop = new()\n"
        "asyncguest.run(asyncio.sleep(0))\nassert new() == loop\n"
        "asyncguest.current_guest\nbefore |= set(new())\n"
        "for name in ('Guest', 'slot', 'event', 'Scope', 'in_thread', 'stats'): getattr(asyncguest, name)\n"
        "print((loop, new()))"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    loop, later = eval(out)
    ours = "_compat _cpython_loop _errors _exit _loop _native _options _reports _running_loop _selector _signals"
    ours += " _system _tls _transport _transport_base _wakeup_fd"
    ours += " _windows" if sys.platform == "win32" else " _children _unix _unix_transports"
    others = {"__future__", "_queue", "queue", "concurrent.futures.thread"}
    others |= {"typing", "_typing"}  # which asyncio itself imports until 3.14
    assert set(loop) - others == {"asyncguest", *(f"asyncguest.{name}" for name in ours.split())}
    assert later == []


def test_each_name_is_found_whether_it_is_imported_or_not():
    import subprocess

    program = (
        "import asyncguest, pickle\nprint(set(asyncguest.__all__) <= set(dir(asyncguest)), hasattr(asyncguest, 'nothing'))\n"
        "from asyncguest import *\nprint(all(globals()[name] is getattr(asyncguest, name) for name in asyncguest.__all__))\n"
        "print(all(pickle.loads(pickle.dumps(globals()[name])) == globals()[name] for name in asyncguest.__all__))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert out == "True False\nTrue\nTrue\n"


def test_the_typed_options_are_those_of_guest():
    from asyncguest import _start

    parameters = inspect.signature(asyncguest.Guest).parameters
    assert list(_start.GuestOptions.__annotations__) == [name for name in parameters if name != "host"]
    for name, parameter in parameters.items():
        if name != "host":
            assert _start.GuestOptions.__annotations__[name].__forward_arg__ == parameter.annotation, name


def test_every_row_stands_on_known_ones_and_has_its_adapter():
    labels = {row.label for row in _toolkits.TOOLKITS}
    for row in _toolkits.TOOLKITS:
        assert set(row.stands_on) <= labels - {row.label}
        assert importlib.util.find_spec(row.module) is not None, row
    assert not labels & {recipe.label for recipe in RECIPES}
