"""The pieces that adapters are composed of, each by itself: `asyncguest.hosts.base`."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.base import JobHost, LoopHost, PipeNotifier, PostedNotifier


class Loop(JobHost):
    """A main loop without a toolkit: `run` delivers until `quit`."""

    name = "loop"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.goes_on = False

    def hook(self) -> None:
        self.calls.append("hook")

    def unhook(self) -> None:
        super().unhook()
        self.calls.append("unhook")

    def loop(self) -> str:
        self.goes_on = True
        while self.goes_on:
            self.deliver_jobs()
        self.calls.append("ended")
        return "status"

    def quit(self) -> None:
        self.goes_on = False


async def for_ever(host: Loop) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        host.calls.append("cleaned up")


def test_a_main_loop_that_ends_shuts_its_guests_down_and_returns_its_status() -> None:
    host = Loop()
    asyncguest.Guest(host).start(for_ever, host)
    host.post(host.quit)
    assert host.run_mainloop(host.loop) == "status"
    assert host.calls == ["hook", "ended", "cleaned up", "unhook"]


def test_guests_outlive_a_nested_main_loop() -> None:
    host = Loop()

    async def main() -> None:
        host.post(host.quit)
        assert host.run_mainloop(host.loop) == "status"
        host.goes_on = True
        host.calls.append("goes on")
        await asyncio.sleep(0)

    guest = asyncguest.Guest(host, done_callback=lambda task: host.quit())
    host.post(lambda: guest.start(main))
    host.run_mainloop(host.loop)
    guest.task.result()
    assert host.calls == ["hook", "ended", "goes on", "unhook", "ended"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_ends_the_program_comes_out_of_a_main_loop_that_lets_nothing_through(error: BaseException) -> None:
    host = Loop()

    def leave(task: object) -> None:
        raise error

    asyncguest.Guest(host, done_callback=leave).start(asyncio.sleep, 0)
    with pytest.raises(type(error)) as caught:
        host.run_mainloop(host.loop, host.quit)
    assert caught.value is error
    assert host.calls == ["hook", "unhook", "ended"], "the loop was ended, not left"
    assert host.ends_with_interpreter is False


def test_without_a_quit_it_passes_through_the_main_loop() -> None:
    host = Loop()

    def leave(task: object) -> None:
        raise SystemExit(3)

    asyncguest.Guest(host, done_callback=leave).start(asyncio.sleep, 0)
    with pytest.raises(SystemExit):
        host.run_mainloop(host.loop)
    assert host.calls == ["hook", "unhook"]


def test_ctrl_c_while_there_is_no_guest_ends_the_main_loop() -> None:
    host = Loop()
    host.post(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        host.run_mainloop(host.loop, host.quit)
    assert host.calls == ["ended"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_end_inside_of_a_delivery_waits_for_it() -> None:
    host = Loop()

    async def main() -> None:
        host.host_ended()
        host.calls.append("still runs")
        await for_ever(host)

    asyncguest.Guest(host).start(main)
    while host.calls[-1] != "unhook":
        host.deliver_jobs()
    assert host.has_ended and host.calls == ["hook", "still runs", "cleaned up", "unhook"]
    asyncguest.Guest(host, done_callback=lambda task: host.quit()).start(asyncio.sleep, 0)
    host.run_mainloop(host.loop)
    assert not host.has_ended, "a main loop can run again"


def test_a_handler_of_the_adapters_own_hears_of_errors(capsys: pytest.CaptureFixture[str]) -> None:
    class Reporting(LoopHost):
        def report(self) -> None:
            errors.append("reported")

    errors: list[str] = []
    assert Reporting().deliver(lambda: 1 / 0) is False
    assert errors == ["reported"] and not capsys.readouterr().err
    LoopHost().deliver(lambda: 1 / 0)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_round_of_jobs_leaves_what_they_post_to_the_next_one() -> None:
    host = Loop()
    ran: list[int] = []

    def job(number: int) -> Callable[[], bool]:
        def run() -> bool:
            ran.append(number)
            host.post(job(number + 10))
            return number == 2

        return run

    host.post(job(1))
    host.post(job(2))
    assert host.deliver_jobs() is True, "one of them has more to do"
    assert ran == [1, 2] and len(host.jobs) == 2
    assert host.deliver_jobs() is False
    assert ran == [1, 2, 11, 12]


# ---- notifiers


class Sent(PostedNotifier):
    """Its toolkit has a list."""

    def __init__(self, arrived: Callable[[], object]) -> None:
        super().__init__(arrived)
        self.queue: list[Callable[[], None]] = []

    def send(self) -> None:
        self.queue.append(self.came)

    def look(self) -> None:
        while self.queue:
            self.queue.pop(0)()


class Pipe(PipeNotifier):
    """Its toolkit has a poll."""

    def __init__(self, arrived: Callable[[], object]) -> None:
        super().__init__(Watch, arrived)

    def look(self) -> None:
        watch: Any = self._watch
        if self.is_on and select.select([watch.fd], (), (), 0)[0]:
            watch.ready()


class Watch:
    def __init__(self, fd: int, ready: Callable[[], object]) -> None:
        self.fd, self.ready, self.is_on = fd, ready, False

    def on(self) -> None:
        self.is_on = True

    def off(self) -> None:
        self.is_on = False

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", [Sent, Pipe])
def test_a_notice_arrives_when_it_is_on_and_is_kept_while_it_is_off(kind: Any) -> None:
    arrived: list[int] = []
    notifier = kind(lambda: (notifier.taken(), arrived.append(threading.get_ident())))
    notifier.on()
    thread = threading.Thread(target=notifier.notify)
    thread.start()
    thread.join()
    notifier.notify()
    notifier.look()
    assert arrived == [threading.get_ident()], "two notices, and one thing to hear"
    notifier.look()
    assert len(arrived) == 1, "it was taken"
    notifier.off()
    notifier.notify()
    notifier.look()
    assert len(arrived) == 1
    notifier.on()
    notifier.look()
    assert len(arrived) == 2
    notifier.notify()
    notifier.off()
    notifier.close()
    notifier.look()
    assert len(arrived) == 2, "what comes after the end is nobody's"


def test_a_pipe_that_cannot_be_watched_is_given_back() -> None:
    def refuse(fd: int, ready: object) -> Any:
        raise OSError("no such fd here")

    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="no such fd here"):
        PipeNotifier(refuse, bool)
    assert os.listdir("/proc/self/fd") == before


def test_a_full_pipe_is_no_error() -> None:
    notifier = Pipe(bool)
    for _ in range(70_000):
        notifier.notify()
    notifier.taken()
    notifier.off()
    notifier.close()
