"""What goes wrong with a connection, and what asyncio's own transport gets wrong: alone and as a guest."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket
import warnings
import weakref
from typing import Any

import asyncguest
import pytest
from helpers import run_guest
from transport_stage import Buffered, Plain, Stage, callbacks, play

pytestmark = pytest.mark.parametrize("mode", ["alone", "fd", "thread"])


@pytest.mark.parametrize("how", ["close", "abort"])
def test_resume_writing_that_ends_the_connection_has_it_lost_once(mode: str, how: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", resume_writing=lambda transport: getattr(transport, how)())
        peer = await stage.connect(protocol, send=8192)
        protocol.transport.write(bytes(1 << 20))
        await stage.drain(peer)
        await stage.turns()

    assert callbacks(play(scene, mode)) == ["connection_made", "pause_writing", "resume_writing", "connection_lost"]


def test_writes_after_a_close_that_had_to_wait_go_nowhere(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        peer = await stage.connect(protocol, send=8192)
        protocol.transport.write(bytes(1 << 20))
        protocol.transport.close()
        assert len(await stage.drain(peer)) == 1 << 20
        await stage.heard("connection_lost")
        for write in (protocol.transport.write, lambda data: protocol.transport.writelines([data])):
            stage.attempt(lambda write=write: write(b"late"))  # type: ignore[misc]
        protocol.transport.abort()
        await stage.turns()

    assert play(scene, mode)[2:] == [
        ("a", "resume_writing"),
        ("a", "connection_lost", "None"),
        ("-", "returned", None),
        ("-", "returned", None),
    ]


def test_the_items_of_a_memoryview_are_sent_whole(mode: str) -> None:
    data = bytes(range(256)) * 4096

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        peer = await stage.connect(protocol, send=8192)
        protocol.transport.write(memoryview(data).cast("I"))
        stage.note(protocol.transport.get_write_buffer_size() > len(data) // 4)
        protocol.transport.write(memoryview(data).cast("d"))
        assert await stage.drain(peer, 2 * len(data)) == 2 * data

    assert ("-", True) in play(scene, mode)


def test_what_waits_does_not_change_any_more(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        peer = await stage.connect(protocol, send=8192)
        data = bytearray(b"a" * (1 << 20))
        protocol.transport.write(data)
        protocol.transport.write(data)
        protocol.transport.writelines([data])
        data[:] = b"b" * len(data)
        data.clear()  # a BufferError if somebody held it
        assert await stage.drain(peer, 3 << 20) == b"a" * (3 << 20)

    play(scene, mode)


def test_lines_of_nothing_are_nothing(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        await stage.connect(protocol)
        protocol.transport.writelines([b"", bytearray(), memoryview(b"")])
        stage.note("write=<idle" in repr(protocol.transport), protocol.transport.get_write_buffer_size())

    assert play(scene, mode)[1:2] == [("-", True, 0)]


def test_a_gibibyte_is_queued_by_reference_and_the_protocol_is_told_long_before(mode: str) -> None:
    piece = bytes(1 << 20)

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        await stage.connect(protocol)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for count in range(1024):
            protocol.transport.write(piece)
            if count == 1:
                assert callbacks(stage.log) == ["connection_made", "pause_writing"]
        size = protocol.transport.get_write_buffer_size()
        assert (1 << 30) - (4 << 20) < size <= 1 << 30
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
        protocol.transport.abort()
        assert protocol.transport.get_write_buffer_size() == 0
        await stage.heard("connection_lost")

    assert callbacks(play(scene, mode)) == ["connection_made", "pause_writing", "connection_lost"]


def test_accepting_goes_on_when_there_are_fds_again(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.01)

    async def scene(stage: Stage) -> None:
        server = await stage.loop.create_server(lambda: Plain(stage, "a"), "127.0.0.1", 0)
        client = socket.socket()
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        taken = [os.dup(0) for _ in range(highest)]  # no gaps below
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, limit[1]))
        try:
            client.connect(server.sockets[0].getsockname())
            await stage.heard("socket.accept() out of system resource")
            assert "connection_made" not in callbacks(stage.log)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            for fd in taken:
                os.close(fd)
        await stage.heard("connection_made")
        client.close()
        await stage.heard("connection_lost")
        server.close()
        await server.wait_closed()

    log = play(scene, mode)
    assert f"[Errno {errno.EMFILE}]" in log[0][2] or "24" in log[0][2]


@pytest.mark.parametrize("callback", ["data_received", "eof_received", "buffer_updated", "get_buffer"])
def test_an_exit_in_a_callback_comes_out(mode: str, callback: str) -> None:
    class Out(SystemExit):
        pass

    def leave(_: object) -> None:
        raise Out(5)

    async def scene(stage: Stage) -> None:
        kind = Plain if callback in ("data_received", "eof_received") else Buffered
        protocol = kind(stage, "a", **{callback: leave})
        peer = await stage.connect(protocol)
        peer.send(b"x")
        peer.shutdown(socket.SHUT_WR)
        await asyncio.get_running_loop().create_future()

    # A guest's run ends by it: its main task is cancelled.
    with pytest.raises(Out if mode == "alone" else asyncio.CancelledError):
        play(scene, mode)


def test_a_reader_that_is_run_by_hand_inside_itself_receives_nothing(mode: str) -> None:
    """Its context is entered already, so that nobody could be told of what it received."""

    async def scene(stage: Stage) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: None)
        refused = []

        def again(_: object) -> None:
            if not refused:
                peer.send(b"second")
                handle = loop._selector.get_key(transport.get_extra_info("socket").fileno()).data[0]  # type: ignore[attr-defined]
                handle._run()
                refused.append(True)

        protocol = Plain(stage, "a", data_received=again)
        peer = await stage.connect(protocol)
        transport = protocol.transport
        peer.send(b"first ")
        while len(protocol.got) < 12:
            await asyncio.sleep(0)
        assert protocol.got == b"first second" and refused

    play(scene, mode)


def test_garbage_is_collected_and_says_that_it_was_not_closed(mode: str) -> None:
    """A transport whose loop is gone."""

    class Holds(asyncio.Protocol):
        transport: object

    gone: list[weakref.ref[Any]] = []

    async def main() -> None:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.close()
        transport, protocol = await asyncio.get_running_loop().create_connection(Holds, sock=ours)
        transport.pause_reading()
        protocol.transport = transport
        gone.extend([weakref.ref(transport), weakref.ref(protocol)])

    with warnings.catch_warnings(record=True) as told:  # of the socket too, whichever is freed first
        warnings.simplefilter("always")
        asyncguest.run(main()) if mode == "alone" else run_guest(main, drive=mode)
        gc.collect()
    said = [str(each.message) for each in told]
    told.clear()  # a warning holds what it is about, and a weak reference is kept as long, from CPython 3.15 on
    gc.collect()
    assert [True for each in said if each.startswith("unclosed transport <SocketTransport fd=")] == [True]
    assert [ref() for ref in gone] == [None, None]


def test_what_nobody_asks_for_takes_no_memory(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        stage.loop.set_debug(False)  # in which asyncio asks
        protocol = Plain(stage, "a")
        await stage.connect(protocol, tcp=True)
        had = gc.get_referents(protocol.transport)
        assert not any(isinstance(it, (dict, tuple)) and it for it in had)
        assert protocol.transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert protocol.transport._extra in gc.get_referents(protocol.transport)

    play(scene, mode)


def test_other_sockets_keep_asyncios_transport(mode: str) -> None:
    class Derived(socket.socket):
        pass

    async def scene(stage: Stage) -> None:
        ours, peer = socket.socketpair()
        derived = Derived(fileno=ours.detach())
        derived.setblocking(False)
        transport, _ = await stage.loop.create_connection(lambda: Plain(stage, "a"), sock=derived)
        assert type(transport).__module__ == "asyncio.selector_events"
        peer.send(b"x")
        await stage.heard("data_received")
        peer.close()
        await stage.heard("connection_lost")

    play(scene, mode)


def test_a_loop_without_native_transports(mode: str) -> None:
    def factory() -> asyncguest.EventLoop:
        return asyncguest.EventLoop(native=False)

    async def main() -> str:
        stage = Stage()
        protocol = Plain(stage, "a")
        await stage.connect(protocol)
        try:
            return type(protocol.transport).__module__
        finally:
            await stage.clear()

    if mode == "alone":
        assert asyncguest.run(main(), loop_factory=factory) == "asyncio.selector_events"
        assert asyncguest.run(main()) == "asyncguest._transport"
    else:
        assert run_guest(main, drive=mode, loop_factory=factory) == "asyncio.selector_events"
        assert run_guest(main, drive=mode) == "asyncguest._transport"
