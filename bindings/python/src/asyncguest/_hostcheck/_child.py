"""The process that runs checks, one after another, on its main thread.

Owns: the pipe of answers, which any thread may write to, and a watchdog thread for each check. It was its stdout; what others
print goes to stderr.
"""

from __future__ import annotations

import base64
import gc
import importlib
import json
import logging
import os
import pickle
import runpy
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from .._host import Host
from ._check_run import CheckRun
from ._harness import Harness
from ._traces import trace_of

#: Begins each answer: what the interpreter's own start has printed, which was before ours, has no such sign.
ANSWER = b"\x1e"


def main() -> None:
    """Reads requests from stdin until it ends."""
    answers = os.dup(1)
    os.dup2(2, 1)
    config = json.loads(sys.stdin.readline())
    lock = threading.Lock()

    def answer(**what: Any) -> None:
        with lock:
            os.write(answers, ANSWER + json.dumps(what).encode() + b"\n")

    # What the library has to say of a bad host is said in the findings.
    logging.getLogger("asyncguest").propagate = False
    logging.getLogger("asyncguest").addHandler(logging.NullHandler())
    factory, why = None, ""
    try:
        factory = load(config)
    except BaseException as error:
        why = trace_of(error)
    for line in sys.stdin:
        # Toolkits want their objects freed on the thread that made them: here, not wherever a collection runs.
        gc.collect()
        request = json.loads(line)
        if factory is None:
            answer(
                wrong=True,
                what="the adapter could not be imported in a process of its own",
                remedy="Its module must be importable from there; a script needs `if __name__ == '__main__':`.",
                where=why,
            )
            answer(end=True)
        elif "describe" in request:
            describe(factory, answer)
        else:
            run_check(factory, request, config["timeout"], answer)


def load(config: dict[str, Any]) -> Callable[[], Any]:
    """The adapter's factory; if it comes from a script, from the script, which does not run as the main program."""
    found = config["main"]
    if found is not None:
        main_module = types.ModuleType("__main__")
        if "script" in found:
            names = runpy.run_path(found["script"], run_name="__hostcheck__")
        else:
            names = runpy.run_module(found["module"], run_name="__hostcheck__")
        main_module.__dict__.update(names)
        sys.modules["__main__"] = main_module
    factory: Callable[[], Any] = pickle.loads(base64.b64decode(config["adapter"]))
    return factory


def describe(factory: Callable[[], Any], answer: Callable[..., None]) -> None:
    """Makes a harness, to see what there is to check."""
    try:
        harness = Harness.of(factory())
        hosts: list[Host] = []

        def look() -> None:
            hosts.append(harness.make_host())
            harness.drives(hosts[0])
            if harness.inside:
                harness.quit()

        harness.run(look) if harness.inside else look()
        drives, name = harness.drives(hosts[0]), repr(hosts[0])
        optional = [name for name in ("nested", "later", "close") if getattr(harness, name) is not None]
        if harness.close is not None:
            harness.close()
    except BaseException as error:
        answer(
            wrong=True,
            what=f"the harness could not be made and closed: {error!r}",
            remedy="The factory is called without arguments on the main thread, and then its close=.",
            where=trace_of(error),
        )
        answer(end=True)
    else:
        answer(end=True, drives=drives, optional=optional, name=name)


def run_check(factory: Callable[[], Any], request: dict[str, Any], timeout: float, answer: Callable[..., None]) -> None:
    """One check, under the watchdog."""
    check = importlib.import_module("asyncguest._hostcheck._checks").BY_NAME[request["check"]]

    def give_up(outcome: str) -> None:
        answer(end=True, outcome=outcome, gone=True)
        os._exit(0)

    check_run = CheckRun(request["drive"], timeout, answer, give_up)

    def watch() -> None:
        if not over.wait(timeout):
            check_run.hung()

    over = threading.Event()
    watchdog = threading.Thread(target=watch, name="hostcheck watchdog", daemon=True)
    watchdog.start()
    try:
        check_run.make(factory)
        check.run(check_run)
        check_run.finish()
    except BaseException as error:
        check_run.raised(error)
    finally:
        over.set()
        watchdog.join()
    answer(end=True, outcome="ok", wrong=check_run.found)
