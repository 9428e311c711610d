"""HTTP: one way of fetching with aiohttp, and one with asyncio's own streams where there is no aiohttp.

Owns: the connections, each for the length of an `async with`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

CHUNK = 1 << 16
MOST_REDIRECTS = 5


class FetchError(Exception):
    """The server does not give what was asked for; the message says why."""


@dataclass
class Body:
    """An answer: how long it will be, if the server says so, and its bytes as they come."""

    length: int | None
    chunks: AsyncIterator[bytes]


class AiohttpFetcher:
    """aiohttp's client: one session, with redirects, compression and proxies."""

    def __init__(self, local: bool = False) -> None:
        # Not a plain import: its types are not there for everybody who checks ours.
        self._aiohttp: Any = importlib.import_module("aiohttp")
        self.name = f"aiohttp {self._aiohttp.__version__}"
        self._local = local
        self._session: Any = None

    async def __aenter__(self) -> AiohttpFetcher:
        aiohttp = self._aiohttp
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=20)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=not self._local)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Body]:
        try:
            async with self._session.get(url) as answer:
                if answer.status != 200:
                    raise FetchError(f"{answer.status} {answer.reason}")
                # With compression the length is not that of the bytes that come out.
                length = None if "Content-Encoding" in answer.headers else answer.content_length
                yield Body(length, answer.content.iter_chunked(CHUNK))
        except (TimeoutError, self._aiohttp.ClientError, ValueError) as error:
            raise FetchError(str(error) or type(error).__name__) from error


class StreamsFetcher:
    """HTTP/1.0 over asyncio's streams: enough for a download, with TLS and redirects."""

    name = "asyncio streams"

    async def __aenter__(self) -> StreamsFetcher:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Body]:
        for _ in range(MOST_REDIRECTS + 1):
            reader, writer = await self._connect(url)
            try:
                status, headers = await self._head(reader)
                if status.split()[0] == "200":
                    length = headers.get("content-length")
                    yield Body(None if length is None else int(length), self._chunks(reader))
                    return
                if status[:1] != "3" or "location" not in headers:
                    raise FetchError(status)
                url = urljoin(url, headers["location"])
            except (ValueError, EOFError, asyncio.LimitOverrunError) as error:
                raise FetchError(f"this is not an answer of HTTP: {error}") from error
            finally:
                writer.close()
        raise FetchError(f"more than {MOST_REDIRECTS} redirects")

    @staticmethod
    async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            parts = urlsplit(url)
            host, tls = parts.hostname, parts.scheme == "https"
            port = parts.port or (443 if tls else 80)
        except ValueError as error:
            raise FetchError(f"{url!r} is no URL: {error}") from error
        if host is None or parts.scheme not in ("http", "https"):
            raise FetchError(f"{url!r} is no URL of http or https")
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        reader, writer = await asyncio.open_connection(host, port, ssl=tls or None)
        # HTTP/1.0, so that no server answers in chunks.
        request = f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\nUser-Agent: asyncguest-demo\r\n\r\n"
        writer.write(request.encode("ascii", "replace"))
        return reader, writer

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
        """Status with its reason, and the headers by their names in lower case."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/") or not status:
            raise FetchError(f"this is not an answer of HTTP: {first[:40]!r}")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise FetchError("the server answers HTTP/1.0 in chunks: install aiohttp for this one")
        return status, headers

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while chunk := await reader.read(CHUNK):
            yield chunk


#: An asynchronous context manager that opens URLs inside its block: `open(url)` is the answer to a GET, and raises `FetchError` or
#: `OSError`, also while the body is read.
Fetcher: TypeAlias = AiohttpFetcher | StreamsFetcher


def best_fetcher(local: bool) -> Fetcher:
    """aiohttp if it can be imported, else streams. `local`: only this machine is asked, so that no proxy is."""
    try:
        return AiohttpFetcher(local)
    except ImportError:
        return StreamsFetcher()
