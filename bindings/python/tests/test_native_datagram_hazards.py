"""What goes wrong with datagrams, and what asyncio's own transport gets wrong: alone and as a guest."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run
from scripts import run_script
from transport_stage import HERE, Datagrams, Plain, Stage, callbacks, play

pytestmark = pytest.mark.parametrize("mode", ["alone", "fd", "thread"])


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
