#!/usr/bin/env python3
"""A local HTTP server for the demo and the tests: known files, and every way in which a server can be bad.

    /1KiB.bin /64KiB.bin /1MiB.bin /16MiB.bin /64MiB.bin    paced: ?seconds=S for the whole file
    /empty                                                   no body at all
    /unsized.bin                                             64 KiB without a Content-Length
    /stall                                                   some bytes, then nothing, for ever
    /silent                                                  accepts the request and never answers
    /truncated                                               half of what was promised, then the connection ends
    /redirect                                                302 to /1KiB.bin
    /named/ANYTHING                                          a small body, whatever the name
    anything else                                            404

The first lines on stdout are for scripts: "url URL#sha256=HEX" for each file, then "stall URL", then "ready BASE".
The server ends when its stdin (a pipe or a terminal) does, so that it never outlives the script that started it.
"""

import argparse
import asyncio
import hashlib
import sys
from urllib.parse import parse_qs, urlsplit

FILES = {"1KiB.bin": 1 << 10, "64KiB.bin": 1 << 16, "1MiB.bin": 1 << 20, "16MiB.bin": 1 << 24, "64MiB.bin": 1 << 26}
# Small files are held back, too, so that every progress bar can be seen moving.
SHARE_OF_TIME = {"1KiB.bin": 0.1, "64KiB.bin": 0.35, "1MiB.bin": 0.6, "16MiB.bin": 0.8, "64MiB.bin": 1.0}
TICK = 0.01


def content(name):
    """The same bytes in every run and on every machine: SHAKE-128 of the file's name, as long as needed."""
    return hashlib.shake_128(name.encode()).digest(FILES[name])


class Server:
    def __init__(self, seconds, log):
        self.seconds = seconds
        self.log = log
        self.bodies = {name: content(name) for name in FILES}

    async def serve(self, reader, writer):
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = request.split()[1]
            if self.log:
                print("request", path, flush=True)
            await self.answer(urlsplit(path), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone (cancelled, or it gave the download up), or the server ends
        finally:
            writer.close()

    async def answer(self, url, reader, writer):
        name = url.path[1:]
        query = parse_qs(url.query)
        if name in self.bodies:
            seconds = float(query.get("seconds", [self.seconds])[0]) * SHARE_OF_TIME[name]
            self.head(writer, 200, len(self.bodies[name]))
            await self.pace(writer, self.bodies[name], seconds)
        elif name == "empty":
            self.head(writer, 200, 0)
        elif name == "unsized.bin":
            self.head(writer, 200, None)
            await self.pace(writer, self.bodies["64KiB.bin"], float(query.get("seconds", [0])[0]))
        elif name == "stall":
            self.head(writer, 200, 1 << 20)
            writer.write(self.bodies["1MiB.bin"][: 1 << 18])
            await self.until_given_up(reader, writer)
        elif name == "silent":
            await self.until_given_up(reader, writer)
        elif name == "truncated":
            self.head(writer, 200, 1 << 16)
            writer.write(self.bodies["64KiB.bin"][: 1 << 15])
        elif name == "redirect":
            self.head(writer, 302, 0, "Location: /1KiB.bin?seconds=0\r\n")
        elif name.startswith("named/"):
            self.head(writer, 200, 6)
            writer.write(b"hello\n")
        else:
            self.head(writer, 404, 10)
            writer.write(b"not found\n")
        await writer.drain()

    @staticmethod
    def head(writer, status, length, more=""):
        size = "" if length is None else f"Content-Length: {length}\r\n"
        writer.write(f"HTTP/1.1 {status} Demo\r\nConnection: close\r\n{size}{more}\r\n".encode())

    @staticmethod
    async def pace(writer, body, seconds):
        """Sends the body evenly: at each tick what is due by then, so that a late tick is made up for."""
        clock = asyncio.get_running_loop().time
        start, sent = clock(), 0
        while sent < len(body):
            due = len(body) if seconds <= 0 else int(len(body) * min(1, (clock() - start) / seconds))
            step = min(due, sent + (1 << 18))
            writer.write(body[sent:step])
            sent = step
            await writer.drain()
            if sent == due < len(body):
                await asyncio.sleep(TICK)

    @staticmethod
    async def until_given_up(reader, writer):
        await writer.drain()
        await reader.read()  # returns when the client closes the connection


async def wait_for_end_of(stream):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
    await reader.read()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument(
        "--seconds", type=float, default=8, help="how long the largest file takes (default 8; 0: no pacing)"
    )
    parser.add_argument("--log", action="store_true", help='print "request PATH" for each request')
    options = parser.parse_args()
    server = Server(options.seconds, options.log)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", options.port)
    base = "http://127.0.0.1:%d" % listener.sockets[0].getsockname()[1]
    for name, body in server.bodies.items():
        print(f"url {base}/{name}#sha256={hashlib.sha256(body).hexdigest()}")
    print(f"stall {base}/stall")
    print(f"ready {base}", flush=True)
    await wait_for_end_of(sys.stdin)


try:
    asyncio.run(main())
except (KeyboardInterrupt, BrokenPipeError):
    pass
