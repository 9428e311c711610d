"""What loads a server: programs, which are begun here.

Owns: the file of the one in C, which is compiled when it is needed, beside the other temporary ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("load.c")
_CLIENT = _SOURCE.with_name("client.py")


def load_generator() -> Path:
    """Its path. Named after the source's content, so that an old one is not taken for it."""
    name = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    program = Path(tempfile.gettempdir()) / f"asyncguest-load-{os.getuid()}-{name}"
    if not program.exists():
        part = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", part, _SOURCE], check=True)
        part.rename(program)  # at once, also if another cell does the same now
    return program


def generator(port: int, connections: int, size: int, seconds: float, *words: str) -> list[str]:
    """The command of the one in C, which spins."""
    return [str(load_generator()), str(port), str(connections), str(size), str(seconds), *words]


def client(kind: str, port: int, connections: int, size: int, seconds: float) -> list[str]:
    """The command of the one in Python, for protocols that C would need a library for."""
    return [sys.executable, str(_CLIENT), kind, str(port), str(connections), str(size), str(seconds)]


def spawned(command: list[str]) -> int:
    """Starts a child; returns the fd that has what it prints."""
    report, out = os.pipe()
    # By hand and not by asyncio, whose subprocesses are not alike in all these loops.
    os.posix_spawn(command[0], command, dict(os.environ), file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
    os.close(out)
    return report


async def started(command: list[str]) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """A child, what it prints, and the end of that."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), open(spawned(command), "rb")
    )
    return reader, transport
