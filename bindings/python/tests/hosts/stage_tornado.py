"""A program of Tornado on stage: like one of asyncio, but all by way of its IOLoop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from stage_asyncio import Asyncio


def a_request_is_answered_by_a_guest(stage: Any) -> None:
    """A handler awaits a run; `start` finds the IOLoop; and what is no IOLoop is refused."""
    import asyncguest
    from asyncguest.hosts.tornado import TornadoHost
    from tornado import httpclient, netutil, web
    from tornado.httpserver import HTTPServer

    async def inner() -> str:
        await asyncio.sleep(0.01)
        return "from the guest"

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            guest = asyncguest.start(inner)
            assert type(guest.host) is TornadoHost
            await guest.host.wait(guest)
            self.write(guest.task.result())

    async def ask() -> None:
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server = HTTPServer(web.Application([("/", Handler)]))
        server.add_sockets(sockets)
        client = httpclient.AsyncHTTPClient()
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
        answers.extend([(await client.fetch(url)).body for _ in range(2)])
        client.close()
        server.stop()
        await server.close_all_connections()
        stage.quit()

    answers: list[bytes] = []
    stage.io_loop.add_callback(ask)
    stage.run()
    assert answers == [b"from the guest"] * 2
    try:
        TornadoHost(object())  # type: ignore[arg-type]
    except TypeError as error:
        assert "must be an IOLoop" in str(error)
    else:
        raise AssertionError("it was to be refused")


class Tornado(Asyncio):
    """A program whose main loop is `IOLoop.start()`."""

    name = "tornado"
    variant = True
    imports = ("tornado.ioloop", "asyncguest.hosts.tornado")
    extra = {"a_request_is_answered_by_a_guest": a_request_is_answered_by_a_guest}

    def make_loop(self) -> asyncio.AbstractEventLoop:
        from tornado.ioloop import IOLoop

        self.io_loop = IOLoop(make_current=False)
        return self.io_loop.asyncio_loop

    def make_host(self) -> Any:
        from asyncguest.hosts.tornado import TornadoHost

        return TornadoHost(self.io_loop, self.drive)

    def version(self) -> str:
        import tornado

        return f"Tornado {tornado.version}"

    def run(self, first: object = None) -> None:
        self.host.start()

    def quit(self) -> None:
        self.io_loop.stop()

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.io_loop.call_later(seconds, function)
