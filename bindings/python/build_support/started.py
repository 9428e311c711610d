"""A wheel that was installed works: the loop alone, and as a guest in both drives. For scripts/wheels.sh."""

import asyncio
import platform

import asyncguest
from asyncguest.hosts.queue import QueueHost


async def main() -> str:
    reader, writer = await asyncio.open_connection(*(await serve()).sockets[0].getsockname())
    writer.write(b"ping\n")
    answer = await reader.readline()
    writer.close()
    return answer.decode().strip() + await asyncio.to_thread(str, "")


async def serve() -> asyncio.Server:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    return await asyncio.start_server(echo, "127.0.0.1", 0)


results = [asyncguest.run(main())]
for drive in ("thread", "fd"):
    host = QueueHost(drive)
    guest = asyncguest.Guest(host, done_callback=lambda task, host=host: (results.append(task.result()), host.stop()))
    guest.start(main)
    host.run()
    host.close()
assert results == ["ping"] * 3, results
libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
print(f"started with CPython {platform.python_version()} on {platform.machine()}, {libc}")
