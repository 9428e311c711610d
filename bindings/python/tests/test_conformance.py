"""The judge of the conformance runs (`make conformance`): that it notices what it is there for."""

import json
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # the judge is the same for each interpreter

FOLDER = Path(__file__).resolve().parents[1] / "conformance"


@pytest.fixture
def judge(monkeypatch):
    """The modules of the conformance runner, by name; they are forgotten again afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import exceptions
    import results
    import run

    yield {"exceptions": exceptions, "results": results, "run": run}
    for name in ("exceptions", "quarantine", "results", "run"):
        del sys.modules[name]


@pytest.fixture
def listed(judge, monkeypatch, tmp_path):
    """Writes the list of exceptions."""

    def write(*lines):
        path = tmp_path / "exceptions.txt"
        path.write_text("# a remark\n\n" + "\n".join(lines) + "\n")
        monkeypatch.setattr(judge["exceptions"], "LIST", path)

    return write


def stand_in(judge, monkeypatch, tmp_path, source):
    """Makes `source` what runs a module of tests; it gets MODE MODULE REPORT [--only] ID..."""
    path = tmp_path / "worker.py"
    path.write_text("import json, os, sys\n" + textwrap.dedent(source))
    monkeypatch.setattr(judge["results"], "WORKER", path)


def test_a_line_that_is_not_needed_any_more_is_found(judge, listed):
    listed("test_a.C.test_x all all internals", "test_a.C.test_old all all internals", "test_b.* all all internals")
    excused = judge["exceptions"].Excused("alone", ["test_a"])
    assert excused.use("test_a.C.test_x") and not excused.use("test_a.C.test_new")
    assert excused.stale({"test_a.C.test_x", "test_a.C.test_new"}) == ["test_a.C.test_old"]
    assert excused.stale({"test_a.C.test_x", "test_a.C.test_new"}, complete=False) == []


def test_a_pattern_that_covers_a_test_which_passes_is_found(judge, listed):
    listed("test_a.C.* all all internals")
    excused = judge["exceptions"].Excused("alone", ["test_a"])
    assert excused.use("test_a.C.test_x")
    assert excused.stale({"test_a.C.test_x", "test_a.C.test_fine"}) == ["test_a.C.* (test_a.C.test_fine)"]


def test_modes_and_versions_of_a_line(judge, listed):
    here = "{}.{}".format(*sys.version_info)
    listed(f"test_a.C.test_x {here} guest internals", "test_a.C.test_y 3.1-3.2 all internals")
    Excused = judge["exceptions"].Excused
    assert Excused("guest", ["test_a"]).covers("test_a.C.test_x")
    assert not Excused("alone", ["test_a"]).covers("test_a.C.test_x")
    assert not Excused("guest", ["test_a"]).covers("test_a.C.test_y")
    assert Excused("guest", ["test_a"]).stale({"test_a.C.test_x"}) == ["test_a.C.test_x (test_a.C.test_x)"]


def test_a_line_without_a_reason_is_refused(judge, listed):
    listed("test_a.C.test_x all all")
    with pytest.raises(SystemExit, match="a reason"):
        judge["exceptions"].Excused("alone", ["test_a"])


def test_a_process_that_dies_costs_the_test_that_it_was_at(judge, monkeypatch, tmp_path):
    stand_in(
        judge,
        monkeypatch,
        tmp_path,
        """
        with open(sys.argv[3], "a") as report:
            for name in ("test_a.C.one", "test_a.C.two", "test_a.C.three"):
                if name not in sys.argv:
                    print(json.dumps({"start": name}), file=report, flush=True)
                    if name.endswith("two"):
                        os._exit(7)
                    print(json.dumps({"id": name, "outcome": "passed", "why": ""}), file=report, flush=True)
            print(json.dumps({"end": "test_a", "loops": 3}), file=report, flush=True)
        """,
    )
    found = judge["results"].run_module("alone", "test_a", tmp_path)
    assert found.passed() == {"test_a.C.one", "test_a.C.three"} and found.loops == 3
    assert found.failed() == {"test_a.C.two"} and "status 7" in found.said("test_a.C.two")


def test_a_loop_that_hangs_everywhere_is_given_up(judge, monkeypatch, tmp_path):
    stand_in(
        judge,
        monkeypatch,
        tmp_path,
        """
        with open(sys.argv[3], "a") as report:
            report.write(json.dumps({"start": f"test_a.C.test_{len(sys.argv)}"}))
        """,
    )
    found = judge["results"].run_module("alone", "test_a", tmp_path)
    assert len(found.failed()) == judge["results"].MAX_DEATHS + 1 and found.failed_around() == {"test_a.(rest)"}


@pytest.mark.parametrize("ends, where", [("", "(start)"), ('report.write(\'{"end": 1, "loops": 1}\\n\')', "(exit)")])
def test_a_process_that_dies_outside_of_its_tests_is_a_failure(judge, monkeypatch, tmp_path, ends, where):
    stand_in(judge, monkeypatch, tmp_path, f"with open(sys.argv[3], 'a') as report:\n    {ends or 'pass'}\nsys.exit(1)")
    found = judge["results"].run_module("alone", "test_a", tmp_path)
    assert found.failed() == found.failed_around() == {f"test_a.{where}"}


def results_of(judge, **outcomes):
    Result = judge["results"].Result
    found = judge["results"].Results({f"test_a.C.{name}": Result(outcome) for name, outcome in outcomes.items()})
    found.loops = 1
    return found


def judged(judge, monkeypatch, tmp_path, standard, ours):
    """What the judge says of these results."""
    run = judge["run"]

    def run_module(mode, module, out, only=None, without=()):
        found = standard if mode == "standard" else ours
        kept = judge["results"].Results({test: found[test] for test in found if only is None or test in only})
        kept.loops = found.loops
        return kept

    monkeypatch.setattr(run, "run_module", run_module)
    return [run.Conformance(["test_a"], tmp_path, 1, short).judge("alone") for short in (False, True)]


def test_the_judge_accepts_what_the_standard_loop_does_not_pass_either(judge, listed, monkeypatch, tmp_path):
    listed()
    standard = results_of(judge, one="passed", two="failed", three="skipped")
    ours = results_of(judge, one="passed", two="failed", three="skipped")
    assert judged(judge, monkeypatch, tmp_path, standard, ours) == [True, True]


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_the_judge_names_what_only_the_standard_loop_passes(judge, listed, monkeypatch, tmp_path, capsys, outcome):
    listed()
    standard, ours = results_of(judge, one="passed", two="passed"), results_of(judge, one="passed", two=outcome)
    assert judged(judge, monkeypatch, tmp_path, standard, ours) == [False, False]
    assert capsys.readouterr().out.count(f"differs: test_a.C.two: {outcome}") == 2


@pytest.mark.parametrize("strict", ["1", "0"])
def test_without_accidents_only_a_test_in_quarantine_has_a_second_try(
    strict, judge, listed, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("ASYNCGUEST_STRICT", strict)
    listed()
    run, asked = judge["run"], []

    def run_module(mode, module, out, only=None, without=()):
        asked.append((mode, only))
        first = len([each for each, _ in asked if each == "alone"]) == 1
        found = results_of(
            judge, **dict.fromkeys(("timed", "plain"), "failed" if mode == "alone" and first else "passed")
        )
        for test in set(found) - set(only or found):
            del found[test]
        return found

    SecondTries = run.SecondTries
    monkeypatch.setattr(run, "run_module", run_module)
    monkeypatch.setattr(run, "SecondTries", lambda suite: SecondTries(suite, f"{suite} test_a.C.timed a clock decides"))
    assert run.Conformance(["test_a"], tmp_path, 1, False).judge("alone") is (strict == "0")
    assert asked[-1] == ("alone", ["test_a.C.timed"] if strict == "1" else ["test_a.C.plain", "test_a.C.timed"])
    out = capsys.readouterr().out
    assert out.count("differs: ") == out.count("differs: test_a.C.plain: failed") == int(strict)
    assert out.splitlines()[-1] == "second try: test_a.C.timed: 1"
    assert out.count("second try: test_a.C.plain: 1 (not in quarantine)") == 1 - int(strict)


def test_the_judge_lets_no_crash_be_tried_again(judge, listed, monkeypatch, tmp_path, capsys):
    listed()
    crashed = results_of(judge, one="passed", two="failed")
    crashed["test_a.C.two"].why = "the process ended here (status -11); see a log"
    assert judged(judge, monkeypatch, tmp_path, results_of(judge, one="passed", two="passed"), crashed) == [
        False,
        False,
    ]
    out = capsys.readouterr().out
    assert "differs: test_a.C.two: failed: the process ended here" in out
    assert "second try" not in out


def test_the_judge_notices_that_the_loop_was_not_used(judge, listed, monkeypatch, tmp_path, capsys):
    listed()
    ours = results_of(judge, one="passed")
    ours.loops = 0
    assert judged(judge, monkeypatch, tmp_path, results_of(judge, one="passed"), ours) == [False, False]
    assert "no test has made a loop of ours" in capsys.readouterr().out


def test_results_of_another_interpreter_are_not_taken_for_this_one(judge, tmp_path):
    found = results_of(judge, one="passed")
    found.save(tmp_path / "kept.json", "this one")
    load = judge["results"].Results.load
    assert load(tmp_path / "kept.json", "this one") == found
    assert load(tmp_path / "kept.json", "another") == {} == load(tmp_path / "none.json", "this one")
    assert json.loads((tmp_path / "kept.json").read_text())["stamp"] == "this one"
