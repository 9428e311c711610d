"""One download: what is known of it, what has arrived, and the task that fetches it.

Owns: the task. The window looks at the attributes whenever it paints: it is on the same thread.
"""

from __future__ import annotations

import asyncio
import hashlib
from time import monotonic
from typing import Literal, TypeAlias
from urllib.parse import unquote, urldefrag, urlsplit

from .fetch import Fetcher, FetchError

State: TypeAlias = Literal["waiting", "connecting", "running", "complete", "cancelled", "failed"]

# Seconds over which the speed is taken.
SPEED_OVER = 1.0


class Download:
    """A file at `url`, which may end in `#sha256=HEX`: then its content is checked."""

    def __init__(self, url: str) -> None:
        self.url, fragment = urldefrag(url)
        self.digest = fragment[len("sha256=") :] if fragment.startswith("sha256=") else None
        parts = urlsplit(self.url)
        self.name = unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc
        self.task: asyncio.Task[None] | None = None
        self.state: State = "waiting"
        self.error = ""
        self.length: int | None = None
        #: Bytes of this attempt, and of all attempts.
        self.received = 0
        self.arrived = 0
        #: Attempts that began, and those whose `finally` block has run.
        self.begun = 0
        self.ended = 0
        self._recent: list[tuple[float, int]] = []

    @property
    def is_active(self) -> bool:
        """Cancelling it makes sense."""
        return self.state in ("connecting", "running")

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None if the server has not said how much there is."""
        if self.state == "complete":
            return 1.0
        if self.length is None:
            return None if self.is_active else 0.0
        return self.received / self.length if self.length else 0.0

    @property
    def silence(self) -> float:
        """Seconds in which nothing has arrived, while something should."""
        return monotonic() - self._recent[-1][0] if self.is_active and self._recent else 0.0

    @property
    def speed(self) -> float:
        """Bytes per second, lately."""
        recent = self._recent
        while recent and recent[0][0] < monotonic() - SPEED_OVER:
            if len(recent) == 1:
                return 0.0
            del recent[0]
        if len(recent) < 2:
            return 0.0
        return sum(size for _, size in recent[1:]) / max(recent[-1][0] - recent[0][0], 0.001)

    async def run(self, fetcher: Fetcher) -> None:
        """Fetches it. Ends in one of the states "complete", "cancelled" and "failed", whatever happens."""
        self.task = asyncio.current_task()
        self.begun += 1
        self.state, self.error, self.length, self.received = "connecting", "", None, 0
        self._recent = [(monotonic(), 0)]
        digest = hashlib.sha256()
        try:
            async with fetcher.open(self.url) as body:
                self.state = "running"
                self.length = body.length
                async for chunk in body.chunks:
                    digest.update(chunk)
                    self._count(len(chunk))
            self._check(digest.hexdigest())
            self.state = "complete"
        except asyncio.CancelledError:
            self.state = "cancelled"
            raise
        except (OSError, FetchError) as error:
            self.state, self.error = "failed", str(error) or type(error).__name__
        finally:
            self.ended += 1

    def _count(self, size: int) -> None:
        self.received += size
        self.arrived += size
        self._recent.append((monotonic(), size))

    def _check(self, digest: str) -> None:
        if self.length is not None and self.received != self.length:
            raise FetchError(f"{self.received} bytes came of {self.length} that were promised")
        if self.digest is not None and digest != self.digest:
            raise FetchError("what came has another SHA-256")
