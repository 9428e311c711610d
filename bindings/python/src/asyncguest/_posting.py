"""Posts to a host in drive THREAD: the library asks, the host is to run a delivery.

Owns: the count of failures. `post` runs on the library's I/O thread, `post_local` on the host thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING

from ._reports import log, warn

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["Posting"]

# So many posts in a row may fail (the pauses between them grow, in all to a quarter of a second) before the host
# counts as gone.
_MAY_FAIL = 8


class Posting:
    """How the deliveries of one guest get into its host's queue."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._failed = 0
        #: Runs a delivery, once the run is attached.
        self.deliver: Callable[[int], bool] | None = None

    def post(self, token: int) -> None:
        """Makes the host run a delivery. I/O thread. What it raises makes the library ask again."""
        self._by(self._run.host.post, token)

    def post_local(self, token: int) -> None:
        """The same on the host thread, by the host's cheaper way."""
        post = self._run.host.post_local
        assert post is not None
        self._by(post, token)

    def _by(self, post: Callable[[Callable[[], object]], object], token: int) -> None:
        run = self._run
        if run.abandoned or run.has_ended:
            return
        run.posting_thread = get_ident()
        try:
            post(partial(self.deliver or self._deliver_later, token))
        except BaseException as error:
            if not run.has_ended:  # else the host has just forgotten it
                self._note_failure(run, error)
            raise
        finally:
            run.posting_thread = None
        self._failed = 0

    def _deliver_later(self, token: int) -> bool:
        """The delivery of a post that came before the run was attached. Host thread."""
        return self.deliver is not None and self.deliver(token)

    def part(self) -> None:
        """Lets the run go: the library's thread has ended, and nothing is posted any more."""
        del self._run

    def _note_failure(self, run: Run, error: BaseException) -> None:
        self._failed += 1
        if self._failed == 1:
            log.error("%r could not be posted to; it is tried again", run.host, exc_info=error)
        elif self._failed == _MAY_FAIL:
            run.abandoned = True
            log.error("%r is abandoned", run, exc_info=error)
            warn(
                f"asyncguest: {run.host!r} failed to take {_MAY_FAIL} posts in a row, the last with {error!r}: "
                f"{run.title} is abandoned. Its clean-up is driven by guest.shutdown(), or when the "
                "interpreter ends."
            )
