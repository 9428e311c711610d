"""Queries of a client of PostgreSQL's: processor time of this process for each.

Owns: the server, which is Debian's, in a folder of its own, as a user without rights.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costs import Costs, Figures

if TYPE_CHECKING:
    from hosts import BenchHost


async def select(host: BenchHost | None, connections: int, seconds: float) -> Figures:
    """asyncpg: so many connections that each ask for one row, and as soon as it has come, again."""
    import asyncpg  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with _server() as folder:
        opened = [await asyncpg.connect(host=folder, user="bench", database="postgres") for _ in range(connections)]
        costs, until = Costs(), time.monotonic() + seconds
        counts = await asyncio.gather(*(_ask(connection, until) for connection in opened))
        figures = costs.per(sum(counts))
        for connection in opened:
            await connection.close()
    return figures


async def _ask(connection: Any, until: float) -> int:
    """How many were answered."""
    answered = 0
    while time.monotonic() < until:
        row = await connection.fetchrow("SELECT $1::int AS number, 'some text' AS text", answered)
        assert row["number"] == answered
        answered += 1
    return answered


@contextmanager
def _server() -> Iterator[str]:
    """A new one, which takes connections: the folder of its socket."""
    initdb, postgres = _program("initdb"), _program("postgres")
    with tempfile.TemporaryDirectory(prefix="asyncguest-postgres-") as folder:
        options: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "LC_ALL": "C"}, "text": True}
        if os.getuid() == 0:  # as whom it refuses to run
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = f"{folder}/data"
        make = [initdb, "--no-sync", "--auth=trust", "--username=bench", "--pgdata", data]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **options)
        # Without TCP, and without waiting for the disk. It ends with this process, however that does.
        serve = ["setpriv", "--pdeathsig", "INT", postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"]
        with subprocess.Popen(serve, stderr=subprocess.PIPE, **options) as server:
            try:
                _wait_until_ready(server)
                yield folder
            finally:
                server.send_signal(signal.SIGINT)  # at once, also beside connections


def _wait_until_ready(server: subprocess.Popen[str]) -> None:
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if "ready to accept connections" in line:
            return
    raise RuntimeError(f"postgres has ended: {''.join(said)}")


def _program(name: str) -> str:
    """Debian keeps them beside the path, by versions."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")]))
    if found is None:
        raise ImportError("needs PostgreSQL's server (Debian: apt-get install postgresql)")
    return found
