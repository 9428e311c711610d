"""Contract 15: the interpreter ends while runs live: `finally` blocks run, the status is right, nothing hangs."""

from __future__ import annotations

import pytest
from scripts import IN_EXECUTOR, run_script

RUN = (
    """
async def main():
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.01)
        say("finally", IN_EXECUTOR)

drive = sys.argv[1]
host = QueueHost(drive)
guest = asyncguest.Guest(host, done_callback=lambda task: say("done", task.cancelled()), name="the run")
task = guest.start(main)
for _ in range(3):
    host.run_once(0.01)
"""
).replace("IN_EXECUTOR", IN_EXECUTOR)

ENDINGS = {
    "end of script": ("", 0),
    "sys.exit": ("sys.exit(7)", 7),
    "unhandled exception": ("raise LookupError('boom')", 1),
    "exception out of the host's loop": ("host.post(lambda: 1 / 0); host.run()", 1),
    "SystemExit out of the host's loop": ("host.post(lambda: sys.exit(3)); host.run()", 3),
    "a host that was closed": ("guest.record.deliveries.unwatch(); host.close()", 0),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_interpreter_ends_first(drive, ending):
    code, status = ENDINGS[ending]
    ended = run_script(RUN + code, drive).check(status)
    assert ended.lines == ["finally ran", "done True"]
    assert ended.stderr.count("RuntimeWarning") == 1 and "the run" in ended.stderr
    # A closed host refuses the post that wakes it, which is told.
    failures = 1 if status == 1 else ended.stderr.count("could not be posted to")
    assert ended.stderr.count("Traceback") == failures <= 1, ended.stderr


def test_two_runs_and_one_ended_one(drive):
    ended = run_script(
        RUN + "asyncguest.Guest(host, done_callback=lambda t: say('second')).start(main); guest.shutdown()", drive
    ).check()
    assert ended.lines == ["finally ran", "done True", "finally ran", "second"]


def test_a_done_callback_that_raises_at_exit(drive):
    ended = run_script(
        RUN + "guest2 = asyncguest.Guest(host, done_callback=lambda t: 1 / 0); guest2.start(main)", drive
    ).check()
    assert "ZeroDivisionError" in ended.stderr
    assert "done True" in ended.lines


def test_what_does_not_finish_is_abandoned_within_the_deadline(drive):
    ended = run_script(
        """
        from asyncguest import _exit
        _exit.DEADLINE = 0.2

        async def main():
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    say("refused")

        asyncguest.Guest(QueueHost(sys.argv[1]), done_callback=lambda task: say("done", type(task.exception()).__name__)).start(main)
        """,
        drive,
    ).check()
    assert ended.lines[0] == "refused" and ended.lines[-1] == "done GuestError"
    assert "abandoned" in ended.stderr and "Task was destroyed" not in ended.stderr


def test_of_a_thousand_that_do_not_finish_twenty_are_named(drive):
    ended = run_script(
        """
        from asyncguest import _exit
        _exit.DEADLINE = 0.2

        async def stubborn():
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        async def main():
            tasks = [asyncio.create_task(stubborn(), name=f"number {n:03}") for n in range(1000)]
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass
            await asyncio.wait(tasks)

        asyncguest.Guest(QueueHost(sys.argv[1]), done_callback=lambda task: say("done")).start(main)
        """,
        drive,
    ).check()
    (told,) = [line for line in ended.stderr.splitlines() if "was abandoned when its time was over" in line]
    assert "number 018, and 981 more" in told and told.count("number ") == 19  # the first name is the main task's


@pytest.mark.parametrize("daemon", [True, False])
@pytest.mark.parametrize("host_runs", [True, False], ids=["host runs", "host has returned"])
def test_a_run_on_another_thread_when_the_interpreter_ends(drive, daemon, host_runs):
    # Nobody may drive a run of another thread. A daemon thread's is abandoned and named; one of an ordinary thread is
    # waited for by Python itself, as long as its host runs.
    ended = run_script(
        """
        drive, daemon, host_runs = sys.argv[1], sys.argv[2] == "True", sys.argv[3] == "True"
        started = threading.Event()

        async def main():
            started.set()
            for _ in range(100):
                await asyncio.sleep(0.001)
            say("main ends")
            if daemon:
                await asyncio.sleep(600)

        def thread():
            host = QueueHost(drive)
            guest = asyncguest.Guest(host, done_callback=host.stop, name="of a thread")
            guest.start(main)
            if host_runs:
                host.run()
                say("host returned")

        thread = threading.Thread(target=thread, daemon=daemon)
        thread.start()
        started.wait()
        """,
        drive,
        daemon,
        host_runs,
    ).check()
    if host_runs and not daemon:
        assert ended.lines == ["main ends", "host returned"]
        assert "Warning" not in ended.stderr, ended.stderr
    else:
        assert "of a thread" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr


@pytest.mark.parametrize("use", ["poll", "make", "run", "callback", "protocol", "schedule", "destructor", "moment"])
def test_a_daemon_thread_in_the_package_when_the_interpreter_ends(use):
    # CPython ends such a thread where it comes back for the interpreter lock, and unwinds its stack before 3.14.
    run_script(
        """
        import socket
        inside, polled = threading.Event(), asyncguest.EventLoop()

        class Busy(asyncio.Protocol):
            def data_received(self, data):
                busy()

        class Destroyed:
            def __del__(self):
                busy()

        class Moment(float):
            def __sub__(self, other):
                busy()

        def busy():
            inside.set()
            while True:
                if sys.argv[1] == "schedule":  # in debug mode, which looks at the stack
                    asyncio.get_running_loop().call_later(60, int).cancel()

        async def main():
            if sys.argv[1] == "run":
                inside.set()
                await asyncio.sleep(0.001)
            elif sys.argv[1] == "protocol":
                one, other = socket.socketpair()
                await asyncio.get_running_loop().create_connection(Busy, sock=one)
                other.send(b"begin")
                await asyncio.sleep(60)
            elif sys.argv[1] == "destructor":
                asyncio.get_running_loop().call_soon(lambda _: None, Destroyed())
                await asyncio.sleep(60)
            elif sys.argv[1] == "moment":
                asyncio.get_running_loop().call_at(Moment(1), int)
            else:
                busy()

        def thread():
            while True:
                if sys.argv[1] == "poll":
                    inside.set()
                    polled.poll_events(0.001)
                elif sys.argv[1] == "make":
                    asyncguest.EventLoop().close()
                    inside.set()
                else:
                    asyncguest.run(main(), debug=sys.argv[1] == "schedule")

        class Last:
            # Python code that still runs when other threads may no longer have the lock.
            def __del__(self, sleep=time.sleep, closed=sys.is_finalizing):
                assert closed()
                sleep(0.1)

        sys.modules["asyncguest_last"] = Last()
        threading.Thread(target=thread, daemon=True).start()
        inside.wait()
        """,
        use,
        options=(),  # a loop of that thread is left open, and -X dev says so
    ).check()


@pytest.mark.parametrize("state", ["new", "ended"])
def test_a_guest_that_does_not_run_says_nothing_at_exit(drive, state):
    ended = run_script(
        """
        host = QueueHost(sys.argv[1])
        guest = asyncguest.Guest(host, done_callback=host.stop)
        async def main(): await asyncio.sleep(0.001)
        if sys.argv[2] == "ended":
            guest.start(main)
            host.run()
        host.close()
        """,
        drive,
        state,
    ).check()
    assert ended.stderr == ""


def test_exit_from_inside_guest_code(drive):
    # sys.exit in a task ends the run and reaches done_callback; the host decides what it means.
    ended = run_script(
        """
        async def main():
            await asyncio.sleep(0)
            sys.exit(5)

        host = QueueHost(sys.argv[1])
        task = asyncguest.Guest(host, done_callback=host.stop).start(main)
        host.run()
        host.close()
        say(repr(task.exception()))
        task.result()
        """,
        drive,
    ).check(5)
    assert ended.lines == ["SystemExit(5)"] and ended.stderr == ""


def test_the_last_reference_goes_while_the_run_lives(drive):
    # The package keeps runs alive until they end.
    ended = run_script(
        """
        import gc
        host = QueueHost(sys.argv[1])
        async def main():
            await asyncio.sleep(0.02)
            host.stop()
            say("main ends")
        asyncguest.Guest(host).start(main)
        gc.collect()
        host.run()
        while asyncguest.stats().guests:
            host.run_once(0.1)
        host.close()
        """,
        drive,
    ).check()
    assert ended.lines == ["main ends"] and ended.stderr == ""


def test_a_host_that_takes_no_posts_is_cleaned_up_at_exit():
    # Contract 4: a host whose post always raises counts as gone; the run's clean-up is left to the exit hook.
    ended = run_script(
        """
        def post(job):
            raise ReferenceError("the window is gone")

        async def main():
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(0.01)
                say("finally")

        task = asyncguest.start_guest_run(main, run_sync_soon_threadsafe=post, done_callback=lambda task: say("done"))
        guest = task.get_loop().guest
        task.get_loop().call_soon(int)
        while not guest.abandoned:
            time.sleep(0.01)
        say("abandoned")
        """
    ).check()
    assert ended.lines == ["abandoned", "finally", "done"]
    assert ended.stderr.count("RuntimeWarning") == 2, ended.stderr  # of the posts that failed, and of the exit
    assert "the window is gone" in ended.stderr
