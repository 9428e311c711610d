"""The garbage collector sees a native transport before it holds anything.

CPython 3.11 makes the `__dict__` of a new object when the collector knows the object, and may run just then.
"""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, gc, os, socket
import asyncguest

held = []

def full(number):
    # No dict is spare, so that the next one is allocated, and the collector's turn comes with every second allocation.
    held.append([{} for _ in range(100)])
    held.append([[] for _ in range(number % 3)])

async def main():
    loop = asyncio.get_running_loop()
    gc.set_threshold(1)
    for number in range(60):
        made = []
        WHAT
        for one in made:
            one.close()

asyncguest.run(main())
"""
WHATS = {
    "read pipe": """reader, writer = os.pipe()
        os.close(writer)
        pipe = open(reader, "rb", 0)
        full(number)
        made.append((await loop.connect_read_pipe(asyncio.Protocol, pipe))[0])""",
    "write pipe": """reader, writer = os.pipe()
        pipe = open(writer, "wb", 0)
        full(number)
        made.append((await loop.connect_write_pipe(asyncio.Protocol, pipe))[0])
        os.close(reader)""",
    "stream": """one, other = socket.socketpair()
        full(number)
        made += [(await loop.create_connection(asyncio.Protocol, sock=one))[0], other]""",
    "datagrams": """full(number)
        made.append((await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)))[0])""",
}


@pytest.mark.parametrize("what", WHATS)
def test_a_collection_while_an_object_is_made_finds_nothing_in_it(what):
    if sys.platform == "win32" and "pipe" in what:
        pytest.skip("asyncio's pipes there are not files")
    program = PROGRAM.replace("WHAT", WHATS[what])
    subprocess.run([sys.executable, "-X", "faulthandler", "-c", program], check=True)
