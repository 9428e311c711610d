"""Second tries: what the list names has one, and one or two others; each is counted, and the list names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # the list is the same for each interpreter

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "quarantine.py"
LISTED = """
# a remark
hosts   a_burst*              its frames are timed
python  test_a.py::test_b[x]  a clock decides
"""


@pytest.fixture
def quarantine(monkeypatch):
    """The module; it is forgotten again afterwards."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import quarantine

    yield quarantine
    del sys.modules["quarantine"]


BOTH = {"a_burst_of_callbacks", "test_a.py::test_b[x]"}


@pytest.mark.parametrize(
    "suite, listed",
    [("hosts", {"a_burst_of_callbacks"}), ("python", {"test_a.py::test_b[x]"}), ("conformance", set())],
)
def test_where_none_is_spared_only_what_is_listed_for_the_suite_has_a_second_try(
    quarantine, monkeypatch, suite, listed
):
    monkeypatch.setenv("ASYNCGUEST_STRICT", "1")
    assert quarantine.SecondTries(suite, LISTED).among([*BOTH, "another"]) == listed


def test_two_others_may_be_an_accident_and_three_are_none(quarantine, monkeypatch):
    monkeypatch.delenv("ASYNCGUEST_STRICT", raising=False)
    tries = quarantine.SecondTries("hosts", LISTED)
    assert tries.among(["a_burst_of_callbacks", "another", "third"]) == {"a_burst_of_callbacks", "another", "third"}
    assert tries.among(["a_burst_of_callbacks", "another", "third", "fourth"]) == {"a_burst_of_callbacks"}
    assert tries.among(["another"] * 3) == set(), "in three hosts"


def test_second_tries_are_counted_by_test(quarantine):
    tries = quarantine.SecondTries("hosts", LISTED)
    assert tries.lines() == []
    for test in ("b", "a_burst", "b"):
        tries.note(test)
    assert tries.lines() == ["second try: a_burst: 1", "second try: b: 2 (not in quarantine)"]


@pytest.mark.parametrize("line", ["hosts a_burst", "ctest hosts.cpp.tk.fd a clock decides", "hosts"])
def test_a_line_without_a_reason_and_a_suite_without_second_tries_are_refused(quarantine, line):
    with pytest.raises(SystemExit, match="a pattern and a reason were expected"):
        quarantine.read(LISTED + line)


@pytest.mark.parametrize("failed, status", [(1, 0), (2, 0), (3, 1)])
def test_the_command_names_the_second_tries_or_refuses_them(monkeypatch, failed, status):
    """As scripts/python.sh asks it."""
    monkeypatch.delenv("ASYNCGUEST_STRICT", raising=False)
    tests = "".join(f"test_a.py::test_{number}\n" for number in range(failed))
    done = subprocess.run([sys.executable, SCRIPT, "python"], input=tests, text=True, capture_output=True)
    assert done.returncode == status
    assert done.stdout.count(": 1 (not in quarantine)\n") == (0 if status else failed)


def test_a_test_that_has_failed_in_several_hosts_counts_for_each(monkeypatch):
    """As scripts/portability/python.sh asks it."""
    monkeypatch.delenv("ASYNCGUEST_STRICT", raising=False)
    for times, status in ((2, 0), (3, 1)):
        done = subprocess.run(
            [sys.executable, SCRIPT, "hosts"], input="another\n" * times, text=True, capture_output=True
        )
        assert done.returncode == status
        assert done.stdout == ("" if status else "second try: another: 1 (not in quarantine)\n")


def test_every_line_names_a_test_that_there_is(quarantine):
    tests = {"python": ROOT / "bindings/python/tests", "hosts": ROOT / "bindings/python/tests/hosts"}
    for line in quarantine.read(quarantine.LIST.read_text()):
        if folder := tests.get(line.suite):
            name = re.sub(r"[\[*].*", "", line.pattern).rpartition("::")[2]
            found = [path for path in folder.glob("*.py") if f"def {name}" in path.read_text()]
            assert found, f"no test of that name: {line}"
