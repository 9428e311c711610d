"""Contract 15: `os.fork()` during a run: the child does not hang, and the parent's run is not touched."""

from __future__ import annotations

import asyncio
import os
import signal
import warnings

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, open_fds
from scripts import run_script

# Python 3.12 warns of any fork while threads exist; that is what is done here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def fork(child):
    """Runs `child()` in a fork of this process; returns its status: 0 if it returned, 99 if it raised."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            # A hang ends by this: the child shares pytest's handlers otherwise.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            child()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child_uses_everything(guest, drive):
    assert guest.forked and guest.state == "ended"
    assert asyncio._get_running_loop() is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1
    assert asyncguest.stats().guests == ()
    guest.cancel()
    guest.shutdown()
    with pytest.raises(asyncguest.GuestClosed):
        guest.start_soon(asyncio.sleep, 0)
    assert asyncio.run(asyncio.sleep(0, "stdlib")) == "stdlib"
    assert asyncguest.run(asyncio.sleep(0.001, "alone")) == "alone"

    async def main():
        return await asyncio.sleep(0.001, "guest")

    run = Run(drive)
    run.start(main)
    assert run.finish() == "guest"


def test_a_fork_between_deliveries(drive):
    run, statuses = Run(drive), []

    async def main():
        while not statuses:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        return "the parent goes on"

    run.start(main)
    run.host.post(lambda: statuses.append(fork(lambda: child_uses_everything(run.guest, drive))))
    assert run.finish() == "the parent goes on"
    assert statuses == [0]


def test_a_fork_in_a_task(drive):
    run = Run(drive)

    async def main():
        await asyncio.sleep(0)
        status = fork(lambda: child_uses_everything(run.guest, drive))
        await asyncio.sleep(0.01)
        return status

    run.start(main)
    assert run.finish() == 0


def test_a_fork_that_leaves_through_the_delivery(drive):
    # The child raises SystemExit out of a task: its exit is its own affair, and no clean-up of the parent's run.
    ended = run_script(
        """
        async def main():
            await asyncio.sleep(0)
            try:
                pid = os.fork()
                if pid == 0:
                    sys.exit(6)
                say("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                await asyncio.sleep(0.01)
            finally:
                say("finally")

        host = QueueHost(sys.argv[1])
        asyncguest.Guest(host, done_callback=lambda task: (say("done"), host.stop())).start(main)
        host.run()
        """,
        drive,
        options=("-W", "ignore::DeprecationWarning"),
    ).check()
    # The first "finally" is the child's own exception on its way out.
    assert ended.lines == ["finally", "child 6", "finally", "done"], ended


def test_a_child_that_exits_normally_runs_no_hook_of_the_parents_runs(drive):
    ended = run_script(
        """
        host = QueueHost(sys.argv[1])
        async def main():
            await asyncio.sleep(600)
        parent = os.getpid()
        where = lambda: "parent" if os.getpid() == parent else "child"
        asyncguest.Guest(host, done_callback=lambda task: say("done in", where())).start(main)
        host.run_once(0.01)
        pid = os.fork()
        if pid:
            say("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        drive,
        options=("-W", "ignore::DeprecationWarning"),
    ).check()
    assert ended.lines == ["child 0", "done in parent"]
    assert ended.stderr.count("RuntimeWarning") == 1, ended.stderr


def test_multiprocessing_by_fork_that_runs_asyncio_inside(drive):
    import multiprocessing

    context = multiprocessing.get_context("fork")
    run = Run(drive)

    async def child_main():
        await asyncio.sleep(0.001)
        process = await asyncio.create_subprocess_exec("true")
        return await process.wait()

    def child(pipe):
        pipe.send(asyncio.run(child_main()))

    async def main():
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(theirs,))
        process.start()
        result = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(process.join)
        ours.close()
        theirs.close()
        process.close()
        return result

    run.start(main)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert run.finish() == 0


def test_a_child_does_not_hear_the_parents_signals(drive):
    run = Run(drive)

    async def main():
        heard = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, heard.append, "parent")

        def child():
            os.kill(os.getpid(), signal.SIGUSR1)

        fork(child)
        await asyncio.sleep(0.02)
        return heard

    run.start(main)
    assert run.finish() == []


def test_the_guests_fds_are_closed_in_the_child_wherever_it_was_forked(drive):
    """An epoll set of the host's is the parent's, too: what is taken out of it by a number that is open is the parent's."""
    run, statuses = Run(drive), []

    def child():
        left = [fd for fd, what in open_fds().items() if what in ("anon_inode:[eventpoll]", "anon_inode:[timerfd]")]
        assert left == [run.host._poll.fileno()], open_fds()

    async def main():
        statuses.append(fork(child))  # in the first step
        await asyncio.sleep(0)
        statuses.append(fork(child))
        asyncio.get_running_loop().call_soon(lambda: statuses.append(fork(child)))
        while len(statuses) < 3:
            await asyncio.sleep(0)
        run.host.post(lambda: statuses.append(fork(child)))
        while len(statuses) < 4:
            await asyncio.sleep(0)

    run.start(main)
    run.finish()
    assert statuses == [0, 0, 0, 0]


def test_the_child_goes_on_in_the_queue_host_and_takes_no_wakeup_of_the_parents():
    """With a guest of its own there."""
    run = Run("fd")
    host = run.host

    def child():
        guest = asyncguest.Guest(host, done_callback=host.stop)
        task = guest.start(asyncio.sleep, 0.001, "guest")
        host.run()
        assert task.result() == "guest"
        while host._wake_fd in dict(host._poll.poll(0)):
            host.run_once(0)

    async def main():
        host._waiting = True  # as a post of another thread finds it
        host.post(bool)
        assert fork(child) == 0
        return host._wake_fd in dict(host._poll.poll(0))

    run.start(main)
    assert run.finish(), "the host would not be woken"


def test_what_the_program_itself_watches_in_the_queue_host_goes_on_in_the_child():
    run = Run("fd")
    host = run.host
    read, write = os.pipe()
    called = []
    host.watch(read, lambda: called.append(os.read(read, 1)))

    def child():
        os.write(write, b"c")
        host.run_once()
        assert called == [b"c"]
        host.unwatch(read)

    async def main():
        return fork(child)

    run.start(main)
    assert run.finish() == 0
    os.close(read)
    os.close(write)


def test_a_grandchild(drive):
    run = Run(drive)

    async def main():
        await asyncio.sleep(0)
        return fork(lambda: os._exit(fork(lambda: child_uses_everything(run.guest, drive))))

    run.start(main)
    assert run.finish() == 0


def test_a_run_in_the_child_that_outlives_nothing(drive):
    # A daemonised program: forks before its run starts, and starts it in the child.
    host = QueueHost(drive)
    host.close()

    def child():
        run = Run(drive)
        run.start(asyncio.sleep, 0.001, "child")
        assert run.finish() == "child"

    assert fork(child) == 0
