"""Every end of a run of Trio: its own, its host's, the interpreter's; Ctrl-C and forks."""

from __future__ import annotations

import os
import signal
import threading

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import unix_only
from scripts import run_script
from triohelp import GuestCancelled, Run, hello, sleep_and_clean_up, start, trio

# ---- the end


def test_cancel(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.until(lambda: order)
    assert run.guest.state == "running" and not run.guest.is_cancelling
    assert run.guest.cancel() and run.guest.cancel() and run.guest.is_cancelling
    with pytest.raises(GuestCancelled, match="cancel"):
        run.finish()
    assert order == ["begun", "cleaned up"] and not run.guest.is_cancelling and not run.guest.cancel()


def test_cancel_before_the_first_step(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.guest.cancel()
    with pytest.raises(GuestCancelled):
        run.finish()
    assert order == ["begun", "cleaned up"]


def test_cancel_on_another_thread(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.until(lambda: order)
    told = []
    thread = threading.Thread(target=lambda: told.append(run.guest.cancel()))
    thread.start()
    thread.join()
    with pytest.raises(GuestCancelled):
        run.finish()
    assert told == [True]
    thread = threading.Thread(target=lambda: told.append(run.guest.cancel()))
    thread.start()
    thread.join()
    assert told == [True, False]


def test_a_guest_that_swallows_its_cancellation_has_a_result(drive):
    async def main():
        with trio.CancelScope(shield=True):
            await event.wait()
        return "finished"

    event = trio.Event()
    run = Run(drive, main)
    run.guest.cancel()
    run.queue.post(event.set)
    assert run.finish() == "finished"


def test_the_host_ends_first(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.until(lambda: order)
    assert run.guest.shutdown()
    with pytest.raises(GuestCancelled):
        run.finish()
    assert order == ["begun", "cleaned up"]
    assert run.guest.shutdown()


def test_the_host_never_ran(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    assert run.guest.shutdown()
    assert len(run.done) == 1 and order == ["begun", "cleaned up"]
    run.close()


class Stubborn:
    """A main function that does not end in time."""

    def __init__(self) -> None:
        self.begun = False

    async def main(self) -> None:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="stubborn")
                self.begun = True


@pytest.mark.filterwarnings("ignore:Trio guest run got abandoned:RuntimeWarning")
@pytest.mark.parametrize("begins", [True, False])
def test_what_does_not_finish_is_named_and_the_thread_is_free_again(drive, begins, caplog):
    stubborn = Stubborn()
    run = Run(drive, stubborn.main)
    if begins:
        run.until(lambda: stubborn.begun)
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert not run.guest.shutdown(0.01 if begins else 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    (told,) = [record.message for record in caplog.records if "was abandoned when its time was over" in record.message]
    if begins:
        assert "stubborn" in told and "Stubborn.main" in told and "<" not in told
    with pytest.raises(asyncguest.GuestError, match="the run was abandoned"):
        run.finish()
    assert Run(drive, hello, "again").finish() == "hello again"


@pytest.mark.filterwarnings("ignore:Trio guest run got abandoned:RuntimeWarning")
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_goes_wrong_below_trio_ends_the_run(drive, error, caplog):
    """As a signal handler of the program's own may raise in any function."""

    def fail():
        raise error("below Trio")

    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.until(lambda: order)
    run.guest.record.jobs.soon(fail)
    with pytest.raises(error, match="below Trio"):
        run.finish()
    assert "Trio itself has failed" in caplog.text
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Run(drive, hello, "again").finish() == "hello again"


def test_shutdown_in_guest_code_is_refused(drive):
    async def main():
        with pytest.raises(asyncguest.GuestError, match=r"called by code of this guest.*use cancel\(\)"):
            run.guest.shutdown()
        return "went on"

    run = Run(drive, main)
    assert run.finish() == "went on"


def test_shutdown_on_another_thread_is_refused(drive):
    def shut_down():
        with pytest.raises(asyncguest.WrongThread, match=r"from others use cancel\(\)"):
            run.guest.shutdown()
        told.append(1)

    told: list[int] = []
    run = Run(drive, hello, "you")
    thread = threading.Thread(target=shut_down)
    thread.start()
    thread.join()
    assert run.finish() == "hello you" and told


@pytest.mark.leaves_fds  # Trio's, which it gives back on its own thread alone
def test_a_run_whose_thread_has_ended_is_given_up(drive, caplog):
    """Trio cannot go on on another thread."""
    order: list[str] = []
    runs = []

    def live():
        run = Run(drive, sleep_and_clean_up, order)
        run.until(lambda: order)
        run.thread = threading.main_thread().ident
        runs.append(run)

    thread = threading.Thread(target=live)
    thread.start()
    thread.join()
    (run,) = runs
    assert not run.guest.shutdown()
    assert "sleep_and_clean_up" in caplog.text and order == ["begun"]
    with pytest.raises(asyncguest.GuestError, match="the run was abandoned"):
        run.finish()


def test_the_interpreter_ends_first():
    ended = run_script(
        """
        import trio
        from asyncguest.guests.trio import start

        async def main():
            try:
                say("begun")
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0)
                say("cleaned up")

        start(main, host=QueueHost(), done_callback=lambda outcome: say(type(outcome.error).__name__))
        """
    ).check()
    assert ended.lines == ["begun", "cleaned up", "GuestCancelled"]
    assert "the host ended before the run 'main' did" in ended.stderr


def test_a_failure_that_nobody_is_told_of_is_logged(drive, caplog):
    async def fails():
        queue.stop()
        raise ZeroDivisionError("in the guest")

    queue = QueueHost(drive)
    guest = start(fails, host=queue)
    queue.run()
    while guest.state != "ended":
        queue.run_once(10)
    queue.close()
    assert "had no done_callback" in caplog.text and "ZeroDivisionError" in caplog.text


def test_a_cancelled_run_that_nobody_is_told_of_is_not(drive, caplog):
    queue = QueueHost(drive)
    start(trio.sleep_forever, host=queue).shutdown()
    queue.close()
    assert not caplog.records


def test_what_done_callback_raises_comes_out_of_the_hosts_loop(drive):
    def done(outcome):
        raise ZeroDivisionError("in done_callback")

    queue = QueueHost(drive)
    guest = start(hello, "you", host=queue, done_callback=done)
    with pytest.raises(ZeroDivisionError, match="in done_callback"):
        queue.run()
    queue.close()
    assert guest.state == "ended" and guest.outcome.unwrap() == "hello you"


# ---- signals


@unix_only("os.kill sends no Ctrl-C on Windows")
def test_ctrl_c_while_all_is_idle(drive):
    order: list[str] = []
    run = Run(drive, sleep_and_clean_up, order)
    run.until(lambda: order)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    timer.join()
    assert order == ["begun", "cleaned up"]


@unix_only("os.kill sends no Ctrl-C on Windows")
def test_ctrl_c_while_the_guest_is_driven_by_shutdown(drive):
    async def main():
        try:
            order.append("begun")
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                order.append("cleaning up")
                timer.start()
                await trio.sleep_forever()  # Ctrl-C alone ends it

    order: list[str] = []
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    run = Run(drive, main)
    run.until(lambda: order)
    assert run.guest.shutdown(30)
    timer.join()
    with pytest.raises(KeyboardInterrupt):
        run.finish()


@unix_only("Windows has no SIGUSR1")
def test_a_signal_receiver_hears_while_all_is_idle(drive):
    async def main():
        with trio.open_signal_receiver(signal.SIGUSR1) as signals:
            timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            async for signum in signals:
                timer.join()
                return signum

    assert Run(drive, main).finish() == signal.SIGUSR1


# ---- forks


@unix_only("Windows has no fork")
def test_a_fork_of_the_hosts_code(drive):
    ended = run_script(
        """
        import trio
        from asyncguest.guests.trio import start

        host = QueueHost(sys.argv[1])

        async def main():
            await trio.sleep(0.001)
            host.stop()
            await trio.sleep_forever()

        guest = start(main, host=host)
        host.run()
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            say(guest.state, guest.forked, signal.getsignal(signal.SIGINT) is signal.default_int_handler, guest.shutdown())
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        say(guest.state, guest.forked, guest.shutdown())
        host.close()
        """,
        drive,
    ).check()
    assert ended.lines == ["ended True True True", "running False True"]


@unix_only("Windows has no fork")
def test_a_fork_of_the_guests_code_ends_in_its_delivery(drive):
    ended = run_script(
        """
        import trio
        from asyncguest.guests.trio import start

        host = QueueHost(sys.argv[1])

        async def main():
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                await trio.sleep_forever()
            with trio.CancelScope(shield=True):
                status = await trio.to_thread.run_sync(os.waitpid, pid, 0)
            say("child", os.waitstatus_to_exitcode(status[1]))
            return "parent"

        start(main, host=host, done_callback=lambda outcome: (say(outcome.unwrap()), host.stop()))
        try:
            host.run()
        except asyncguest.GuestClosed as error:
            say(error)
            os._exit(5)
        host.close()
        """,
        drive,
    ).check()
    child, *parent = ended.lines
    assert "the run lives in its parent" in child and parent == ["child 5", "parent"]
