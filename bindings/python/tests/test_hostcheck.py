"""`hostcheck` finds each seeded fault, says what to do, passes good hosts, and always comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import asyncguest
import bad_hosts
import good_hosts
import pytest
import tkhelp
from asyncguest import hostcheck
from asyncguest.hosts.queue import QueueHost

display = tkhelp.display

# The fault; the host's drive; the checks to run; what is found, and in the remedy; seconds for each check.
SEEDED = [
    (bad_hosts.Inlines, "thread", "post", "ran the job inside the call", "root.after", 10),
    (bad_hosts.OwnThread, "thread", "post", "on the thread 'my-worker', which is not the host's", "hand it over", 10),
    (bad_hosts.DropsAll, "thread", "post", "waited 1 s in vain for a job that another thread posted", "wake", 1),
    (bad_hosts.DropsEarly, "thread", "post", "posted before the main loop ran was lost", "Keep what is posted", 4),
    (bad_hosts.DoesNotWake, "thread", "post", "in vain for a job that another thread posted", "must also wake", 1),
    (bad_hosts.Blocks, "thread", "post", "came back only after the host thread was free", "must not wait", 4),
    (bad_hosts.Raises, "thread", "post", "post() raised OSError('the queue is full')", "must succeed", 10),
    (bad_hosts.Crashes, "thread", "post", "was killed by signal 6", "broke the interpreter", 10),
    (bad_hosts.NeverStarts, "thread", "post", "in vain for a job", "wake", 1),
    (
        bad_hosts.ReturnsAtOnce,
        "thread",
        "post",
        "run() returned, but quit() had not been called",
        "must be a function",
        10,
    ),
    (bad_hosts.NeverStops, "thread", "post", "in vain for run() to return after quit()", "must make run= return", 1),
    (bad_hosts.Swallows, "thread", "exceptions", "an exception of a done_callback vanished", "excepthook", 10),
    (
        bad_hosts.DiesOfAnException,
        "thread",
        "exceptions",
        "whose last job had raised",
        "must not end the host's queue",
        1,
    ),
    (bad_hosts.greedy, "thread", "busy", "the host's own timers waited for", "must have its own", 10),
    (bad_hosts.greedy, "fd", "busy", "the host's own timers waited for", "leave the fd out for one round", 10),
    (bad_hosts.not_reentrant, "thread", "nesting", "of 25 ticks came", "same queue", 10),
    (bad_hosts.dies_badly, "thread", "destroy", "RuntimeError('wrapped object has been deleted')", "do nothing", 10),
    (bad_hosts.dies_badly, "fd", "destroy", "RuntimeError('wrapped object has been deleted')", "do nothing", 10),
    (bad_hosts.Lingers, "thread", "start", "the interpreter did not end", "daemons", 4),
    (bad_hosts.KeepsWatching, "fd", "watch", "ready() was called after unwatch()", "take the fd out", 10),
    (bad_hosts.EdgeTriggered, "fd", "watch", "a second report of an fd that stayed readable", "level-triggered", 1),
    (bad_hosts.OneShot, "fd", "watch", "a second report of an fd that stayed readable", "level-triggered", 1),
    (bad_hosts.Polls, "fd", "idle", "was given", "not by a timer", 10),
    (bad_hosts.ReportsOnAThread, "fd", "watch", "ready() was called on another thread", "host's own loop", 10),
    (bad_hosts.NeverReports, "fd", "watch", "the first report of a readable fd", "call ready()", 1),
    (bad_hosts.Neither, "fd", "watch", "watch() raised NotImplementedError", "leave watches_fds False", 10),
]


@pytest.fixture(scope="module")
def reports():
    """All of them, a few at a time: they are processes, and most of them wait for their time to be over."""
    with ThreadPoolExecutor(8) as pool:
        return list(
            pool.map(
                lambda case: hostcheck(partial(case[0], case[1]), only=[case[2]], timeout=case[5]),
                SEEDED,
            )
        )


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", range(len(SEEDED)), ids=[f"{case[0].__name__}-{case[1]}" for case in SEEDED])
def test_a_seeded_fault_is_found(reports, number):
    report, (_, _, check, what, remedy, _) = reports[number], SEEDED[number]
    assert not report.ok
    found = [finding for finding in report.findings if what in finding.what]
    assert found and remedy in found[0].remedy, str(report)
    # What follows from a fault is not told as another one.
    assert len(report.findings) == 1, str(report)
    assert found[0].check.startswith(check) or found[0].check == "exit"


@pytest.mark.once
@pytest.mark.slow
def test_a_good_host_passes_every_check_in_both_drives(capfd):
    report = hostcheck(good_hosts.full, verbose=True)
    assert report.ok and not report.findings, str(report)
    assert {check.outcome for check in report.checks} == {"ok"}
    assert len(report.checks) == 20
    out = capfd.readouterr().out
    assert "nothing wrong" in out and out.count("\n") == len(report.checks) + 1


def test_the_queue_host_and_a_plain_function_pass_and_what_cannot_be_checked_is_said():
    report = hostcheck(good_hosts.functions, only=["post", "start", "nesting", "exceptions", "quit"])
    assert report.ok, str(report)
    skipped = {check.name: check.why for check in report.checks if check.outcome == "skipped"}
    assert skipped == {"nesting": "the harness has no nested="}
    assert hostcheck(QueueHost, only=["start", "destroy"]).ok


def test_a_host_that_can_only_watch_fds_passes():
    report = hostcheck(good_hosts.fd_only, only=["watch", "wake", "nesting", "quit", "chaos"])
    assert report.ok and len(report.checks) == 5, str(report)


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_the_packages_own_hosts_pass(name):
    if name == "trio":
        pytest.importorskip("trio", reason="Trio is not installed")
    report = hostcheck(partial(getattr(good_hosts, f"{name}_host"), None), timeout=20)
    assert report.ok, str(report)
    assert len(report.checks) == 20, "both drives"


@pytest.mark.once
@pytest.mark.slow
def test_the_tk_host_passes_every_check(display):
    report = hostcheck(partial(good_hosts.tk_host, None), timeout=20)
    assert report.ok, str(report)
    assert [check.outcome for check in report.checks] == ["ok"] * 20


@pytest.mark.once
def test_harmless_things_are_notes():
    twice = hostcheck(partial(bad_hosts.Twice, "thread"), only=["post", "start"])
    assert twice.ok and ["was run twice" in finding.what for finding in twice.findings] == [True]
    lifo = hostcheck(partial(bad_hosts.Lifo, "thread"), only=["post"])
    assert lifo.ok and ["another order" in finding.what for finding in lifo.findings] == [True]


@pytest.mark.once
def test_when_posts_do_not_work_the_rest_is_spared(capfd):
    report = hostcheck(partial(bad_hosts.Inlines, "thread"), verbose=True)
    assert {check.outcome for check in report.checks} == {"failed", "skipped"}
    out = capfd.readouterr().out
    assert "WRONG [post] post() ran the job inside the call" in out and "1 check, 1 thing wrong, 9 skipped" in out


def test_a_hang_shows_where_the_host_stood():
    (finding,) = hostcheck(partial(bad_hosts.NeverStarts, "thread"), only=["post"], timeout=0.5).findings
    assert "bad_hosts.py" in finding.where and "threading.Event().wait()" in finding.where
    assert "_hostcheck" not in finding.where, "frames of the checks themselves help nobody"


def no_harness():
    return object()


def raises():
    raise LookupError("no display")


def no_loop():
    return asyncguest.CallbackHost(print)


def neither():
    return asyncguest.Harness(asyncguest.Host(), run=print, quit=print)


@pytest.mark.once
@pytest.mark.parametrize(
    "adapter, what",
    [
        (no_harness, "must make an asyncguest.Harness"),
        (raises, "no display"),
        (no_loop, "no run() and quit() of its own"),
        (neither, "can neither post nor watch"),
    ],
)
def test_a_harness_that_cannot_be_made_is_a_finding(adapter, what):
    report = hostcheck(adapter)
    assert not report.ok and what in report.findings[0].what


@pytest.mark.once
@pytest.mark.parametrize("adapter", [bad_hosts.never_made, partial(bad_hosts.HoldsTheLock, "thread")])
def test_a_process_that_cannot_even_tell_that_it_hangs_is_ended(adapter, monkeypatch):
    monkeypatch.setattr("asyncguest._hostcheck._parent._GRACE", 1.0)
    report = hostcheck(adapter, only=["post"], timeout=0.5)
    assert not report.ok
    (finding,) = report.findings
    assert "did not answer any more" in finding.what and "held its lock" in finding.remedy


def test_what_an_interpreter_prints_at_its_start_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('welcome'); print('to this machine: ', end='')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    assert hostcheck(QueueHost, only=["start"]).ok


def test_bad_arguments_raise():
    with pytest.raises(TypeError, match="must be a function"):
        hostcheck(3)
    with pytest.raises(TypeError, match="top level of a module"):
        hostcheck(lambda: QueueHost())
    with pytest.raises(ValueError, match="no such check: nothing; there are post, watch"):
        hostcheck(QueueHost, only=["nothing"])
    with pytest.raises(ValueError, match="above 0"):
        hostcheck(QueueHost, timeout=0)


# ---- from the command line, and from a script


def command(*args, cwd, text=None):
    path = os.pathsep.join([os.path.dirname(os.path.dirname(asyncguest.__file__)), os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, *args], cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.once
def test_the_command(tmp_path):
    run = partial(command, "-W", "error", "-m", "asyncguest.hostcheck", cwd=tmp_path)
    status, out, err = run("good_hosts:functions", "--only", "start")
    assert (status, err) == (0, "") and "ok      start" in out and "1 check, nothing wrong" in out
    status, out, err = run("bad_hosts:Inlines", "--quiet", "--only", "post")
    assert (status, err) == (1, "") and out.startswith("WRONG [post]")
    for wrong in ("bad_hosts:Missing", "no_such_module:x", "bad_hosts"):
        status, _, err = run(wrong)
        assert status == 2 and "give it as module:function" in err
    status, _, err = run("good_hosts:functions", "--only", "nothing")
    assert status == 2 and "no such check" in err


@pytest.mark.once
def test_a_script_checks_its_own_adapter(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import asyncguest\n"
        "from asyncguest.hosts.queue import QueueHost\n"
        "class Mine(QueueHost):\n"
        "    name = 'mine'\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit(not asyncguest.hostcheck(Mine, only=['start'], verbose=True).ok)\n"
    )
    for how in (["mine.py"], ["-m", "mine"]):
        status, out, err = command(*how, cwd=tmp_path)
        assert (status, err) == (0, ""), out
        assert "'mine'>: 2 checks, nothing wrong" in out
    (tmp_path / "mine.py").rename(tmp_path / "unguarded.py")
    status, out, err = command(
        "-c",
        "import unguarded; unguarded.Mine.__module__ = '__main__'; Mine = unguarded.Mine\n"
        "import asyncguest; asyncguest.hostcheck(Mine)",
        cwd=tmp_path,
    )
    assert status == 0 and "the adapter could not be imported in a process of its own" in out


@pytest.mark.once
def test_the_module_can_be_called_like_the_function(tmp_path):
    status, out, err = command(
        "-c",
        "import asyncguest, asyncguest.hostcheck, good_hosts\n"
        "print(asyncguest.hostcheck(good_hosts.functions, only=['start']).ok)",
        cwd=tmp_path,
    )
    assert (status, out, err) == (0, "True\n", "")
