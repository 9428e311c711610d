"""Real clients and servers inside a Tk guest, unchanged (USERS row 9)."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys

import pytest
import tkhelp
from tkhelp import run_in_tk

display, root = tkhelp.display, tkhelp.root


def wheel(name):
    return pytest.importorskip(name, reason=f"{name} is not installed: no wheel for this interpreter")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost: server's and client's contexts."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=folder / "cert.pem")


@pytest.fixture
def animated(root):
    """A window that is busy with itself meanwhile."""

    def frame():
        root.title(root.title() + ".")
        if root.moving:
            root.after(5, frame)

    root.moving = True
    frame()
    yield root
    root.moving = False


def test_aiohttp_server_and_client(animated, drive):
    aiohttp = wheel("aiohttp")
    from aiohttp import web

    async def hello(request):
        return web.json_response({"name": request.match_info["name"], "length": len(await request.read())})

    async def main():
        app = web.Application()
        app.router.add_post("/{name}", hello)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]

        async def request(session, number):
            async with session.post(f"http://127.0.0.1:{port}/{number}", data=b"x" * number * 1000) as response:
                return await response.json()

        try:
            async with aiohttp.ClientSession() as session:
                return await asyncio.gather(*(request(session, number) for number in range(30)))
        finally:
            await runner.cleanup()

    answers = run_in_tk(animated, main, drive=drive)
    assert answers == [{"name": str(number), "length": number * 1000} for number in range(30)]


async def serve_http(reader, writer):
    """As much of HTTP as httpx needs."""
    request = await reader.readuntil(b"\r\n\r\n")
    body = request.split()[1]
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.once
def test_httpx_over_tls(animated, drive, certificate):
    httpx = wheel("httpx")
    server_side, client_side = certificate

    async def main():
        server = await asyncio.start_server(serve_http, "localhost", 0, ssl=server_side)
        port = server.sockets[0].getsockname()[1]
        async with server, httpx.AsyncClient(verify=client_side, trust_env=False) as client:
            found = await asyncio.gather(*(client.get(f"https://localhost:{port}/{n}") for n in range(5)))
        return [answer.text for answer in found]

    assert run_in_tk(animated, main, drive=drive) == [f"/{number}" for number in range(5)]


def test_websockets_server_and_client(animated, drive):
    wheel("websockets")
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
                for number in range(50):
                    await client.send(f"message {number}" * 100)
                    assert await client.recv() == f"message {number}" * 100
                await asyncio.wait_for(await client.ping(), 10)
        return "closed"

    assert run_in_tk(animated, main, drive=drive) == "closed"


def test_a_pipeline_of_subprocesses(animated, drive):
    """Two processes with a pipe between them, fed and read by the guest at once."""
    double = "import sys\nfor line in sys.stdin: print(int(line) * 2, flush=True)"

    async def main():
        one, two = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", double, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]

        async def feed():
            for number in range(200):
                one.stdin.write(b"%d\n" % number)
                await one.stdin.drain()
            one.stdin.close()

        async def pump():
            while line := await one.stdout.readline():
                two.stdin.write(line)
                await two.stdin.drain()
            two.stdin.close()

        async def collect():
            return [int(line) async for line in two.stdout]

        _, _, numbers = await asyncio.gather(feed(), pump(), collect())
        return numbers, await one.wait(), await two.wait()

    assert run_in_tk(animated, main, drive=drive) == ([number * 4 for number in range(200)], 0, 0)


@pytest.mark.once
def test_streams_over_tls_with_a_megabyte(animated, drive, certificate):
    server_side, client_side = certificate
    payload = bytes(range(256)) * 4096

    async def swallow(reader, writer):
        size = 0
        while chunk := await reader.read(100_000):
            size += len(chunk)
            if size == len(payload):
                break
        writer.write(payload[::-1])
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(swallow, "localhost", 0, ssl=server_side)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, ssl=client_side)
            writer.write(payload)
            await writer.drain()
            answer = await reader.read(-1)
            writer.close()
            await writer.wait_closed()
        return answer

    assert run_in_tk(animated, main, drive=drive) == payload[::-1]
