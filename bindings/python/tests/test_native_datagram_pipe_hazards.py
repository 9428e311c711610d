"""What goes wrong with datagrams and pipes, and what asyncio's own transports get wrong: alone and as a guest."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, nothing_left_behind, run_guest
from scripts import run_script
from test_native_transport_hazards import callbacks, play
from transport_stage import Datagrams, Plain, Stage

pytestmark = pytest.mark.parametrize("mode", ["alone", "fd", "thread"])

HERE = ("127.0.0.1", 0)


# ---- where asyncio's own transports fail


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


def test_datagrams_after_the_end_go_nowhere(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        peer = stage.bound(socket.AF_INET, HERE, "peer")
        for options in ({"local_addr": HERE}, {"remote_addr": peer.getsockname()}):
            protocol = Datagrams(stage, "a")
            await stage.endpoint(protocol, **options)
            protocol.transport.abort()
            await stage.turns()
            for _ in range(7):
                protocol.transport.sendto(b"late", peer.getsockname())
            await stage.turns()
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(10)

    assert callbacks(play(scene, mode)) == ["connection_made", "connection_lost"] * 2


async def filled(stage: Stage, protocol: Datagrams, path: Path) -> socket.socket:
    """A peer that takes no more, and one datagram that waits."""
    peer = stage.bound(socket.AF_UNIX, str(path), "peer")
    await stage.endpoint(protocol, remote_addr=str(path), family=socket.AF_UNIX)
    while not protocol.transport.get_write_buffer_size():
        protocol.transport.sendto(b"data")
    return peer


def test_what_has_gone_is_not_counted_any_more(mode: str, tmp_path: Path) -> None:
    """asyncio's count of what waits grows by 8 with each datagram that had to, so that at last nobody may write."""

    async def scene(stage: Stage) -> None:
        protocol = Datagrams(stage, "a")
        peer = await filled(stage, protocol, tmp_path / "peer")
        while protocol.transport.get_write_buffer_size():
            peer.recv(10)
            await asyncio.sleep(0)
        protocol.transport.abort()
        assert protocol.transport.get_write_buffer_size() == 0

    assert callbacks(play(scene, mode)) == ["connection_made", "connection_lost"]


def test_an_end_by_the_last_error_leaves_nothing_watched(mode: str, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Datagrams(stage, "a", error_received=lambda transport: transport.abort())
        peer = await filled(stage, protocol, tmp_path / "peer")
        fd = protocol.transport.get_extra_info("socket").fileno()
        peer.close()
        await stage.heard("connection_lost")
        assert fd not in stage.loop._selector.get_map()

    assert callbacks(play(scene, mode)) == ["connection_made", "error_received", "connection_lost"]


# ---- bad input


@pytest.mark.parametrize("callback", ["datagram_received", "data_received"])
def test_an_exit_in_a_callback_comes_out(mode: str, callback: str) -> None:
    class Out(SystemExit):
        pass

    def leave(_: object) -> None:
        raise Out(5)

    async def scene(stage: Stage) -> None:
        if callback == "data_received":
            (await stage.read_pipe(Plain(stage, "a", data_received=leave))).write(b"x")
        else:
            protocol = Datagrams(stage, "a", datagram_received=leave)
            await stage.endpoint(protocol, local_addr=HERE)
            stage.bound(socket.AF_INET, HERE, "peer").sendto(b"x", protocol.transport.get_extra_info("sockname"))
        await asyncio.get_running_loop().create_future()

    # A guest's run ends by it: its main task is cancelled.
    with pytest.raises(Out if mode == "alone" else asyncio.CancelledError):
        play(scene, mode)


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


def test_other_datagrams_keep_asyncios_transport(mode: str) -> None:
    class Derived(socket.socket):
        pass

    async def scene(stage: Stage) -> None:
        sock = Derived(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(HERE)
        protocol = Datagrams(stage, "a")
        await stage.endpoint(protocol, sock=sock)
        assert type(protocol.transport).__module__ == "asyncio.selector_events"

    play(scene, mode)


# ---- the host's side


def test_a_dialog_inside_datagram_received(mode: str) -> None:
    """Other sockets go on in a nested host loop; this one waits until its callback has returned, and has all then."""
    if mode == "alone":
        pytest.skip("there is no host to open a dialog in")
    run = Run(mode)
    host = run.host
    assert isinstance(host, QueueHost)

    async def main() -> list[Any]:
        stage = Stage()
        peer = stage.bound(socket.AF_INET, HERE, "peer")
        one, two = Datagrams(stage, "one"), Datagrams(stage, "two")
        for protocol in (one, two):
            await stage.endpoint(protocol, local_addr=HERE)
        to_one, to_two = (each.transport.get_extra_info("sockname") for each in (one, two))

        def dialog(_: object) -> None:
            one.actions.clear()
            for word in (b"second", b"third"):
                peer.sendto(word, to_one)
                peer.sendto(word, to_two)
            while two.got != b"secondthird":
                host.run_once()
            stage.note("the dialog is closed")

        one.actions["datagram_received"] = dialog
        peer.sendto(b"first", to_one)
        await stage.until(lambda: b"third" in one.got)
        await stage.clear()
        return stage.log[2:8]

    run.start(main)
    assert run.finish() == [
        ("one", "datagram_received", b"first", "peer"),
        ("two", "datagram_received", b"second", "peer"),
        ("two", "datagram_received", b"third", "peer"),
        ("-", "the dialog is closed"),
        ("one", "datagram_received", b"second", "peer"),
        ("one", "datagram_received", b"third", "peer"),
    ]


def test_a_flood_leaves_the_others_their_turns(mode: str) -> None:
    """A datagram that is known to be there needs no look at the system, and yet all others are looked after."""

    async def scene(stage: Stage) -> None:
        protocol = Datagrams(stage, "a")
        peer = stage.bound(socket.AF_INET, HERE, "peer")
        await stage.endpoint(protocol, local_addr=HERE)
        address = protocol.transport.get_extra_info("sockname")
        protocol.actions["datagram_received"] = lambda _: peer.sendto(b"x", address)
        for _ in range(3):
            peer.sendto(b"x", address)
        other = Plain(stage, "b")
        (await stage.read_pipe(other)).write(b"data")
        await stage.until(lambda: other.got)
        await asyncio.sleep(0.001)
        await asyncio.to_thread(bool)
        protocol.transport.close()

    play(scene, mode)


@pytest.mark.parametrize(
    "take", [lambda ready: ready.clear(), lambda ready: ready.popleft(), lambda ready: ready.pop()]
)
def test_what_was_taken_out_of_the_queue_by_hand_is_found_again(mode: str, take: Callable[[Any], object]) -> None:
    async def scene(stage: Stage) -> None:
        loop = stage.loop
        protocol = Datagrams(stage, "a")
        peer = stage.bound(socket.AF_INET, HERE, "peer")
        await stage.endpoint(protocol, local_addr=HERE)
        address = protocol.transport.get_extra_info("sockname")
        for _ in range(3):
            peer.sendto(b"x", address)
        await stage.heard("datagram_received")
        waits = [each for each in loop._ready if "_read_ready" in repr(each)]
        assert len(waits) == 1  # the next one is known to be there
        while any(each in loop._ready for each in waits):
            take(loop._ready)
        await asyncio.wait_for(stage.heard("datagram_received", 3), 20)

    play(scene, mode)


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


@pytest.mark.parametrize("native", [True, False])
def test_an_error_at_the_end_of_the_interpreter_is_the_systems(mode: str, native: bool) -> None:
    """Nothing can be imported any more."""
    ended = run_script(
        """
        import builtins
        class Says(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport
            def error_received(self, error, write=os.write):
                write(1, type(error).__name__.encode())
            def __del__(self):
                self.transport.sendto(b"bye", ("127.0.0.1", 0))
        async def main():
            loop = asyncio.get_running_loop()
            return (await loop.create_datagram_endpoint(Says, local_addr=("127.0.0.1", 0)))[1]
        builtins.loop = asyncguest.EventLoop(native=sys.argv[1] == "True")
        builtins.kept = builtins.loop.run_until_complete(main())
        """,
        native,
        options=(),
    )
    assert "ImportError" not in ended.stderr
    assert ended.lines == ["OSError"]
