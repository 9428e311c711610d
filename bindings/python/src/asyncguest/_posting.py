"""Posts to a host in drive THREAD: the library asks, the host is to run a turn.

Owns: the count of failures. `post` runs on the library's I/O thread, `post_local` on the host thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING

from ._reports import log, warn

if TYPE_CHECKING:
    from ._guest import Guest

__all__ = ["Posting"]

# So many posts in a row may fail (the pauses between them grow, in all to a quarter of a second) before the host
# counts as gone.
_MAY_FAIL = 8


class Posting:
    """How the turns of one guest get into its host's queue."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._failed = 0
        #: The thread that is inside the host's `post`, or None.
        self.inside: int | None = None
        #: The host took no posts any more.
        self.given_up = False

    def post(self, token: int) -> None:
        """Makes the host run a turn. I/O thread. What it raises makes the library ask again."""
        self._by(self._guest.host.post, token)

    def post_local(self, token: int) -> None:
        """The same on the host thread, by the host's cheaper way."""
        post = self._guest.host.post_local
        assert post is not None
        self._by(post, token)

    def _by(self, post: Callable[[Callable[[], object]], object], token: int) -> None:
        if self.given_up or self._has_ended():
            return
        self.inside = get_ident()
        try:
            post(partial(self._guest.deliver_token, token))
        except BaseException as error:
            if not self._has_ended():  # else the host has just forgotten it
                self._note_failure(error)
            raise
        finally:
            self.inside = None
        self._failed = 0

    def part(self) -> None:
        """Lets the guest go: the library's thread has ended, and nothing is posted any more."""
        del self._guest

    def _has_ended(self) -> bool:
        return self._guest.state == "ended"

    def _note_failure(self, error: BaseException) -> None:
        self._failed += 1
        guest = self._guest
        if self._failed == 1:
            log.error("%r could not be posted to; it is tried again", guest.host, exc_info=error)
        elif self._failed == _MAY_FAIL:
            self.given_up = True
            log.error("%r is abandoned", guest, exc_info=error)
            warn(
                f"asyncguest: {guest.host!r} failed to take {_MAY_FAIL} posts in a row, the last with {error!r}: "
                f"{guest.title} is abandoned. Its clean-up is driven by guest.shutdown(), or when the "
                "interpreter ends."
            )
