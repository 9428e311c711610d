"""Forks in a run or beside it: the run is the parent's, and what of it stands in the child ends there.

Each child ends by an alarm if it hangs, so that its status tells.
"""

from __future__ import annotations

import sys

import pytest
from helpers import DRIVES
from scripts import run_script

# A run whose code says where its clean-up runs, and a fork of `act`'s, whose status is said.
FAMILY = """
        parent = os.getpid()

        def where():
            return "parent" if os.getpid() == parent else "child"

        async def cleans_up(event):
            try:
                await event.wait()
            finally:
                say("finally in", where())

        def fork(act):
            pid = os.fork()
            if pid == 0:
                signal.alarm(3)
                act()
            return pid

        def say_status(pid):
            say("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("drive", DRIVES)
def test_the_child_of_a_fork_made_by_the_hosts_code_runs_no_finally_block(drive):
    """Its tasks are not destroyed either, while the interpreter goes."""
    ended = run_script(
        FAMILY
        + f"""
        def program():
            host = QueueHost({drive!r})
            event = asyncio.Event()
            guest = asyncguest.Guest(host, done_callback=host.stop)
            guest.start(cleans_up, event)
            host.run_once(0.01)
            say_status(fork(lambda: sys.exit(7)))
            event.set()
            host.run()

        program()
        """
    ).check()
    assert ended.lines == ["child 7", "finally in parent"]
    assert "destroyed" not in ended.stderr


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="a task of asyncio's own loop cannot go on in a child any more")
@pytest.mark.parametrize("drive", DRIVES)
def test_who_awaits_a_run_of_an_async_host_is_told_in_the_child(drive):
    ended = run_script(
        FAMILY
        + f"""
        from asyncguest.hosts.asyncio import AsyncioHost

        async def program():
            event, host = asyncio.Event(), AsyncioHost(drive={drive!r})
            guest = asyncguest.Guest(host)
            guest.start(cleans_up, event)
            waiting = asyncio.create_task(host.wait(guest))
            await asyncio.sleep(0.01)
            pid = fork(bool)
            if pid == 0:
                for wait in (waiting, host.wait(guest)):
                    try:
                        await wait
                    except asyncguest.GuestClosed as error:
                        say(error)
                os._exit(7)  # sys.exit would close the loop, and take its wake-ups from the parent's epoll set
            say_status(pid)
            guest.loop.call_soon(event.set)
            await waiting

        asyncio.run(program())
        """
    ).check()
    told = "wait(): this process is a fork; the run lives in its parent"
    assert ended.lines == [told, told, "child 7", "finally in parent"]


@pytest.mark.parametrize("act", ("pass", "await asyncio.sleep(0)", "raise ValueError", "sys.exit(7)"))
def test_the_child_of_a_finally_block_ends_at_once_while_the_run_is_shut_down(act):
    """No host is there, and it does not wait for the parent's deadline."""
    ended = run_script(
        FAMILY
        + f"""
        async def main():
            try:
                await asyncio.Event().wait()
            finally:
                pid = fork(bool)
                if pid == 0:
                    {act}
                else:
                    say_status(pid)

        guest = asyncguest.Guest(QueueHost(), done_callback=lambda task: say("done in", where()))
        guest.start(main)
        guest.shutdown(20)
        """
    ).check()
    assert ended.lines == [f"child {7 if 'exit' in act else 1}", "done in parent"]
    assert "itself has failed" not in ended.stderr


@pytest.mark.parametrize("code", ("None", "300", "-1", "2**40", "'words'"))
def test_the_child_of_guest_code_has_the_status_that_a_script_has(code):
    """A host that is known by one function, whose loop nothing can be raised through."""
    ended = run_script(
        FAMILY
        + f"""
        host = QueueHost("thread")

        async def main():
            await asyncio.sleep(0)
            say_status(fork(lambda: sys.exit({code})))

        import subprocess
        say("script", subprocess.run([sys.executable, "-c", "import sys; sys.exit({code})"], stderr=-3).returncode)
        def post(job):
            host.post(lambda: swallow(job))

        def swallow(job):
            try:
                job()
            except BaseException:
                pass

        guest = asyncguest.Guest(post, done_callback=host.stop)
        guest.start(main)
        host.run()
        """
    ).check()
    script, child = ended.lines
    assert script.split()[1] == child.split()[1]
    assert ("words" in ended.stderr) == ("words" in code)


def test_of_the_delivery_that_forks_only_the_callback_that_does_goes_on_in_the_child():
    """Neither what was queued before nor what the child queues. Its exception is the cause of what the child ends by."""
    ended = run_script(
        FAMILY
        + """
        host = QueueHost()

        def fail():
            guest.loop.call_soon(say, "queued by the child")
            raise ZeroDivisionError

        async def main():
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(lambda: say("queued before, in", where()))
            say_status(fork(fail))
            await asyncio.sleep(0)

        guest = asyncguest.Guest(host, done_callback=host.stop)
        host.post(lambda: guest.start(main))
        try:
            host.run()
        except asyncguest.GuestClosed as error:
            say("fork" in str(error), type(error.__cause__).__name__)
            os._exit(7)
        """
    ).check()
    assert ended.lines == ["True ZeroDivisionError", "child 7", "queued before, in parent"]


def test_a_loop_of_frames_in_the_child_of_a_fork_made_by_the_hosts_code_is_not_woken_by_the_parents_fd():
    ended = run_script(
        FAMILY
        + """
        from asyncguest.hosts.frames import FramesHost

        class Counting(FramesHost):
            steps = 0

            def step(self):
                self.steps += 1
                return super().step()

        def in_the_child():
            before = host.steps
            host.sleep(0.02)
            say("steps in the pause:", host.steps - before)
            sys.exit(7)

        event = asyncio.Event()
        with Counting() as host:
            guest = asyncguest.Guest(host)
            guest.start(cleans_up, event)
            host.step()
            say_status(fork(in_the_child))
            guest.loop.call_soon(event.set)
            while guest.state != "ended":
                host.sleep(0.01)
        """
    ).check()
    assert ended.lines == ["steps in the pause: 0", "child 7", "finally in parent"]


@pytest.mark.parametrize("drive", DRIVES)
def test_the_run_is_the_parents_also_where_a_fork_leaves_no_fd_free(drive):
    """The child makes fds of its own, for which its copies of the parent's have to go first."""
    ended = run_script(
        FAMILY
        + f"""
        import resource
        host, event = QueueHost({drive!r}), asyncio.Event()
        guest = asyncguest.Guest(host, done_callback=host.stop)
        guest.start(cleans_up, event)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(1)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        pid = fork(lambda: (say(guest.state, guest.forked), sys.exit(7)))
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        say_status(pid)
        event.set()
        host.run()
        """
    ).check()
    assert ended.lines == ["ended True", "child 7", "finally in parent"]
    assert "Too many open files" not in ended.stderr
