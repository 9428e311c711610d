"""Forks at bad moments: another thread is inside the loop, or the child goes on as if nothing had happened.

Each child ends by an alarm if it hangs, so that its status tells.
"""

from __future__ import annotations

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
