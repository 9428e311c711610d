"""A toolkit's dialog as something to await. Host thread."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ._native import Receiver
from .sources.find import toolkit_of_dialog


def dialog(dialog: Any) -> Coroutine[Any, Any, Any]:
    """Shows a dialog and waits for its end: `answer = await dialog(box)`. Nobody's code stands still meanwhile.

    `dialog`: Qt: a QDialog, by its `open()`; gives the result that `finished` tells. GTK: a Dialog or a NativeDialog; gives
    its response, and is hidden. Tk: a Toplevel, which gets the grab; gives its attribute `result`, or None, when it is
    destroyed. wx: a Dialog; gives what ShowModal does, which runs in wx's own code. If the task is cancelled, the dialog is
    closed; it is kept alive while it is waited for.

    Raises SourceGone if it is destroyed without a result, GuestError outside of a guest, TypeError at once for what is
    no dialog. Host thread.
    """
    toolkit = toolkit_of_dialog(dialog)

    async def one() -> Any:
        receiver = Receiver(None, once=True)
        close = toolkit.show(dialog, receiver)
        try:
            await receiver.wait()
            return receiver.take()
        finally:
            receiver.close()
            close()

    return one()
