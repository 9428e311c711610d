"""Every test runs between two looks at the process's state: see `helpers.nothing_left_behind`."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncguest
import pytest
from helpers import DRIVES, EVERYWHERE, nothing_left_behind


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes longer than a second or two")
    config.addinivalue_line("markers", "leaves_fds: the test leaves fds behind, for a reason that it gives")
    # A shell starts what runs in its background with Ctrl-C ignored, and so do its children. Here it is tested.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# What the contract says, the hosts and the packaging depend on the version of Python; these less so.
TWICE = (
    "test_users_",
    "test_regress_",
    "test_chaos",
    "test_hostcheck",
    "test_clients",
    "test_bad_input",
    "test_stress",
)


@pytest.hookimpl(tryfirst=True)  # before the markers choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is not run with each interpreter: see scripts/python.sh."""
    for item in items:
        if item.path.name.startswith(TWICE):
            item.add_marker("twice")


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """What is there before a file's first test, all that earlier ones have imported, is left out of the collections after
    each test: they were half of all the time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes which tests have failed, for scripts/python.sh, which looks whether they may have a second try."""
    failed = os.environ.get("ASYNCGUEST_FAILED")
    if failed and report.failed:
        with open(failed, "a", encoding="utf-8") as file:
            file.write(f"{Path(__file__).parents[1] / report.nodeid}\n")


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is left behind by any test."""
    try:
        with nothing_left_behind(fds=request.node.get_closest_marker("leaves_fds") is None):
            yield
    finally:
        # What a failed test has left is not held against the next ones.
        for guest in asyncguest.stats().guests:
            with contextlib.suppress(asyncguest.GuestError):
                guest.shutdown(0.1)


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> str:
    """Both ways in which a guest can wait."""
    return str(request.param)


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Both drives, and the loop without a host."""
    return str(request.param)
