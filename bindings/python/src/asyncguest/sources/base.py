"""What a toolkit does for `event` and its sisters, each in its own way.

Owns: nothing. Host thread only, except `Receiver`, which a toolkit calls on the one on which an event is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._errors import SourceGone
from .._native import Receiver

#: Takes back what was connected; harmless if the toolkit's object is gone.
Disconnect = Callable[[], object]


class Toolkit:
    def knows(self, source: Any, name: Any) -> bool:
        """Whether it can connect to that."""
        raise NotImplementedError

    def knows_all_of(self, kind: type) -> bool:
        """Whether it knows all objects of that type, of which it knows one without a name."""
        return False

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        """Of what `knows` says True to. Raises SourceGone if the sender is gone already."""
        raise NotImplementedError

    def until_destroyed(self, owner: Any, gone: Callable[[], object]) -> bool:
        """Has `gone()` called when `owner` is destroyed, if that is one of its objects. Does not keep it alive.

        Raises SourceGone if it is gone already.
        """
        return False

    def hold_open(self, window: Any, may_close: Callable[[], bool]) -> Callable[[], object] | None:
        """Has `may_close()` asked when the user closes `window`, if that is one of its windows; if False it stays.

        Returns what closes it, as the user would have.
        """
        return None

    def is_dialog(self, dialog: Any) -> bool:
        """Whether it can show that."""
        return False

    def show(self, dialog: Any, receiver: Receiver) -> Disconnect:
        """Shows a dialog; `receiver.arrived((result,))` at its end. The Disconnect closes it if it is still open."""
        raise NotImplementedError


def gone_already(error: Exception | None = None) -> SourceGone:
    """For a sender that was destroyed before anybody has waited for it."""
    told = SourceGone("the sender was destroyed before this began to wait for it: wait while its window lives")
    told.__cause__ = error
    return told
