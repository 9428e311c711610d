"""Second tries: only what the list names has one, each is counted, and the list names what there is."""

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


def test_only_what_is_listed_for_the_suite_has_a_second_try(quarantine):
    tries = quarantine.SecondTries("hosts", LISTED)
    assert tries.may("a_burst_of_callbacks") and not tries.may("another") and not tries.may("test_a.py::test_b[x]")
    assert quarantine.SecondTries("python", LISTED).may("test_a.py::test_b[x]")
    assert not quarantine.SecondTries("conformance", LISTED).may("a_burst_of_callbacks")


def test_second_tries_are_counted_by_test(quarantine):
    tries = quarantine.SecondTries("hosts", LISTED)
    assert tries.lines() == []
    for test in ("b", "a", "b"):
        tries.note(test)
    assert tries.lines() == ["second try: a: 1", "second try: b: 2"]


@pytest.mark.parametrize("line", ["hosts a_burst", "ctest hosts.cpp.tk.fd a clock decides", "hosts"])
def test_a_line_without_a_reason_and_a_suite_without_second_tries_are_refused(quarantine, line):
    with pytest.raises(SystemExit, match="a pattern and a reason were expected"):
        quarantine.read(LISTED + line)


def test_the_command_refuses_what_is_not_on_the_list():
    """As scripts/python.sh asks it."""
    done = subprocess.run([sys.executable, SCRIPT, "python"], input="test_a.py::test_of_nobody\n", text=True)
    assert done.returncode == 1


def test_every_line_names_a_test_that_there_is(quarantine):
    tests = {"python": ROOT / "bindings/python/tests", "hosts": ROOT / "bindings/python/tests/hosts"}
    for line in quarantine.read(quarantine.LIST.read_text()):
        if folder := tests.get(line.suite):
            name = re.sub(r"[\[*].*", "", line.pattern).rpartition("::")[2]
            found = [path for path in folder.glob("*.py") if f"def {name}" in path.read_text()]
            assert found, f"no test of that name: {line}"
