"""What the handles of all runs have in common, whichever async library a run is of: what may be asked of it.

Owns: nothing; the run itself is in `_base_run.py`. Host thread only, except where a method says otherwise.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from ._base_run import BaseRun
from ._host import Host

R = TypeVar("R", bound=BaseRun)


class BaseGuest(Generic[R]):
    """The handle of one run."""

    #: The run itself. For the package.
    record: R

    @property
    def host(self) -> Host:
        """The adapter. Any thread."""
        return self.record.host

    @property
    def host_thread(self) -> int:
        """The ident of the thread that started the run. Any thread."""
        return self.record.host_thread

    @property
    def is_cancelling(self) -> bool:
        """It was cancelled, and has not ended yet: what it does now is its clean-up. Any thread."""
        return self.record.is_cancelling

    @property
    def abandoned(self) -> bool:
        """The host took no posts any more; what is left is `shutdown`, which the exit hook calls too. Any thread."""
        return self.record.abandoned

    @property
    def forked(self) -> bool:
        """This process is a fork of the one that started the run: the run is the parent's."""
        return self.record.forked

    def __repr__(self) -> str:
        return repr(self.record)
