"""What goes wrong with pipes, and what asyncio's own transports get wrong: alone and as a guest."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import warnings
import weakref
from typing import Any

import asyncguest
import pytest
from helpers import nothing_left_behind, run_guest
from transport_stage import HERE, Datagrams, Plain, Stage, callbacks, play

pytestmark = pytest.mark.parametrize("mode", ["alone", "fd", "thread"])


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_pipe_is_lost_once_however_often_it_is_ended(mode: str, how: str) -> None:
    async def scene(stage: Stage) -> None:
        for open_pipe in (stage.read_pipe, stage.write_pipe):
            protocol = Plain(stage, "a")
            await open_pipe(protocol)
            for _ in range(3):
                protocol.transport.close()
                getattr(protocol.transport, how, protocol.transport.close)()
            await stage.turns()

    assert callbacks(play(scene, mode)) == ["connection_made", "connection_lost"] * 2


@pytest.mark.parametrize("how", ["close", "abort"])
def test_resume_writing_that_ends_a_pipe_has_it_lost_once(mode: str, how: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", resume_writing=lambda transport: getattr(transport, how)())
        other = await stage.write_pipe(protocol)
        protocol.transport.write(bytes(1 << 20))
        await stage.suck(other)
        await stage.turns()

    assert callbacks(play(scene, mode)) == ["connection_made", "pause_writing", "resume_writing", "connection_lost"]


def test_a_pipe_that_was_closed_at_once_is_not_watched_any_more(mode: str) -> None:
    """asyncio begins to watch the writing end after `connection_made`, also if that has closed it."""

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", connection_made=lambda transport: transport.close())
        stage.loop.set_debug(False)  # asyncio would ask for the fd when it is closed
        theirs, fd = os.pipe()
        await stage.write_pipe(protocol, open(fd, "wb", 0))
        await stage.heard("connection_lost")
        os.close(theirs)
        assert fd not in stage.loop._selector.get_map()

    play(scene, mode)


def test_what_a_pipe_has_not_taken_yet_does_not_change_any_more(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        other = await stage.write_pipe(protocol)
        data = bytearray(b"a" * (1 << 20))
        protocol.transport.write(data)
        protocol.transport.write(memoryview(data).cast("I"))
        stage.note(protocol.transport.get_write_buffer_size() > 1 << 20)
        data[:] = b"b" * len(data)
        assert await stage.suck(other, 2 << 20) == b"a" * (2 << 20)

    assert ("-", True) in play(scene, mode)


def test_a_pipe_that_others_have_made_blocking_keeps_no_other_thread(mode: str) -> None:
    """The flag belongs to all who have the pipe. The loop waits then, and what it waits for can come from a thread."""

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        other = await stage.write_pipe(protocol)
        os.set_blocking(stage.sockets[0].fileno(), True)
        os.set_blocking(other.fileno(), True)
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(open(other.fileno(), "rb", closefd=False).read(1 << 20)))
        thread.start()
        protocol.transport.write(bytes(1 << 20))
        thread.join()
        assert got == [bytes(1 << 20)]

    play(scene, mode)


def test_garbage_is_collected_and_says_that_it_was_not_closed(mode: str) -> None:
    """Transports whose loop is gone, also one with an address in its queue that leads back to it."""

    class Holds(asyncio.DatagramProtocol, asyncio.Protocol):
        transport: object

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

    gone: list[weakref.ref[Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        theirs, ours = os.pipe()
        pairs: list[Any] = [
            await loop.create_datagram_endpoint(Holds, local_addr=HERE),
            await loop.connect_read_pipe(Holds, open(theirs, "rb", 0)),
            await loop.connect_write_pipe(Holds, open(ours, "wb", 0)),
        ]
        for transport, protocol in pairs:
            gone.extend([weakref.ref(transport), weakref.ref(protocol)])

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncguest.run(main()) if mode == "alone" else run_guest(main, drive=mode)
        gc.collect()
    said = [str(each.message).split(" fd=")[0] for each in told if str(each.message).startswith("unclosed transport")]
    told.clear()  # a warning holds what it is about, and a weak reference is kept as long, from CPython 3.15 on
    gc.collect()
    assert sorted(said) == [
        f"unclosed transport <{name}" for name in ("DatagramTransport", "ReadPipeTransport", "WritePipeTransport")
    ]
    assert [ref() for ref in gone] == [None] * 6


def test_nothing_is_left_of_subprocesses_and_datagrams(mode: str) -> None:
    async def main() -> None:
        stage = Stage()
        peer = stage.bound(socket.AF_INET, HERE, "peer")
        for _ in range(3):
            child = await asyncio.create_subprocess_exec(
                "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            assert (await child.communicate(b"x" * 100000))[0] == b"x" * 100000
            protocol = Datagrams(stage, "a")
            await stage.endpoint(protocol, remote_addr=peer.getsockname())
            protocol.transport.sendto(b"x")
            protocol.transport.close()
            await stage.turns()
        peer.close()

    with nothing_left_behind():
        asyncguest.run(main()) if mode == "alone" else run_guest(main, drive=mode)


@pytest.mark.parametrize("raises", [False, True])
def test_a_signal_interrupts_a_pipe_that_another_process_has_made_blocking(mode: str, raises: bool) -> None:
    """Its handler runs, as beside Python's own calls, and the call goes on, unless the handler raises."""

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        reader = await stage.write_pipe(protocol)
        transport = protocol.transport
        fd = transport.get_extra_info("pipe").fileno()
        try:
            while os.write(fd, bytes(4096)):
                pass
        except BlockingIOError:
            pass  # it is full

        def handler(number: int, frame: object) -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if raises:
                raise KeyboardInterrupt
            reader.read()

        before = signal.signal(signal.SIGALRM, handler)
        os.set_blocking(fd, True)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)  # again, if it came before the call
            if raises:
                with pytest.raises(KeyboardInterrupt):
                    transport.write(b"x")
            else:
                transport.write(b"x")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            os.set_blocking(fd, False)
        assert transport.get_write_buffer_size() == 0
        transport.abort()
        await stage.heard("connection_lost")

    play(scene, mode)


def test_data_with_gaps_is_refused_while_other_data_waits(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        await stage.write_pipe(protocol)
        protocol.transport.write(bytes(1 << 20))
        waits = protocol.transport.get_write_buffer_size()
        with pytest.raises(BufferError):
            protocol.transport.write(memoryview(bytes(8))[::2])
        assert (protocol.transport.get_write_buffer_size(), protocol.transport.is_closing()) == (waits, False)
        protocol.transport.abort()
        await stage.heard("connection_lost")

    play(scene, mode)
