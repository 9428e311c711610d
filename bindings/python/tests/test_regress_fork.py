"""Forks at bad moments: another thread is inside the loop, or the child goes on as if nothing had happened.

Each child ends by an alarm if it hangs, so that its status tells.
"""

from __future__ import annotations

import sys

import pytest
from helpers import DRIVES
from scripts import run_script

# A thread that wakes the loop of the main thread without end, while that forks.
WAKER = """
        def fork_while_another_thread_wakes(loop):
            woken, over = threading.Event(), threading.Event()

            def wake():
                while not over.is_set():
                    loop.call_soon_threadsafe(int)
                    woken.set()

            thread = threading.Thread(target=wake)
            thread.start()
            assert woken.wait(10)
            pid = os.fork()
            if pid == 0:
                signal.alarm(3)
                return True
            over.set()
            thread.join()
            say("child", os.waitpid(pid, 0)[1])
            return False
"""


def test_run_ends_in_the_child_of_a_fork_made_while_another_thread_wakes_it():
    """What the thread holds it holds for ever: it does not exist in the child."""
    ended = run_script(
        WAKER
        + """
        async def main():
            if fork_while_another_thread_wakes(asyncio.get_running_loop()):
                raise SystemExit(0)

        asyncguest.run(main())
        """
    ).check()
    assert ended.lines == ["child 0"]


def test_a_loop_can_be_closed_in_the_child_of_a_fork_made_while_another_thread_wakes_it():
    ended = run_script(
        WAKER
        + """
        loop = asyncguest.EventLoop()
        if fork_while_another_thread_wakes(loop):
            loop.close()
            say("closed", asyncguest.stats().loops)
            os._exit(0)
        loop.close()
        """
    ).check()
    assert ended.lines == ["closed 0", "child 0"]


def test_a_loop_made_in_the_child_works_although_one_of_another_thread_was_being_woken():
    """What is left of the parent's loops must not be in its way."""
    ended = run_script(
        WAKER
        + """
        host, old = QueueHost(), asyncguest.EventLoop()

        async def main():
            await asyncio.sleep(0.001)
            return "works"

        if fork_while_another_thread_wakes(old):
            say(asyncguest.run(main()))
            guest = asyncguest.Guest(host, done_callback=host.stop)
            task = guest.start(main)
            host.run()
            say(task.result())
            del old
            import gc
            gc.collect()
            os._exit(0)
        old.close()
        """
    ).check()
    assert ended.lines == ["works", "works", "child 0"]


@pytest.mark.parametrize("status", (0, 3))
def test_the_child_of_a_fork_inside_run_has_its_own_exit_status(status):
    """As with asyncio.run: no traceback of a loop that is the parent's."""
    ended = run_script(
        f"""
        async def main():
            await asyncio.sleep(0)
            pid = os.fork()
            if pid == 0:
                signal.alarm(3)
                raise SystemExit({status})
            say("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            await asyncio.sleep(0.001)
            say("parent")

        asyncguest.run(main())
        """
    ).check()
    assert ended.lines == [f"child {status}", "parent"]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("budget", (60, 1e-6))
@pytest.mark.parametrize("drive", DRIVES)
def test_the_child_of_a_guest_that_goes_on_is_told_why_it_cannot(drive, budget):
    """Also if the fork took all of the delivery's time, so that there is no further look at the loop's fds."""
    ended = run_script(
        f"""
        host = QueueHost({drive!r})

        async def main():
            await asyncio.sleep(0)
            pid = os.fork()
            if pid == 0:
                signal.alarm(3)
                await asyncio.sleep(0.001)
                say("never")
            say("child", os.waitpid(pid, 0)[1])

        asyncguest.Guest(host, done_callback=host.stop, batch_budget={budget}).start(main)
        try:
            host.run()
        except asyncguest.GuestClosed as error:
            say("fork" in str(error))
            os._exit(0)
        """
    ).check()
    assert ended.lines == ["True", "child 0"]


def test_the_child_of_a_fork_inside_run_that_goes_on_is_told_why_it_cannot():
    ended = run_script(
        """
        async def main():
            pid = os.fork()
            if pid == 0:
                signal.alarm(3)
                await asyncio.sleep(0.001)
                say("never")
            say("child", os.waitpid(pid, 0)[1])

        try:
            asyncguest.run(main())
        except asyncguest.GuestClosed as error:
            say("fork" in str(error))
            os._exit(0)
        """
    ).check()
    assert ended.lines == ["True", "child 0"]


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


@pytest.mark.parametrize("moment", ["while a run lasts", "while it ends"])
def test_ctrl_c_is_pythons_in_the_child_of_a_fork_made_by_another_thread(moment: str, drive: str) -> None:
    """The thread that had it was not there any more: nobody gave it back, and what was just ending swallowed it."""
    ended = run_script(
        """
        def fork():
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                try:
                    say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    os._exit(7)
                os._exit(0)
            say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        def fork_elsewhere():
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join()

        class Host(QueueHost):
            def detached(self, guest):
                if sys.argv[2] == "while it ends":
                    fork_elsewhere()
                super().detached(guest)

        async def main():
            if sys.argv[2] == "while a run lasts":
                fork_elsewhere()

        host = Host(sys.argv[1])
        asyncguest.Guest(host, done_callback=lambda task: host.stop()).start(main)
        host.run()
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """,
        drive,
        moment,
    ).check()
    assert ended.lines == ["True", "7", "True"]
