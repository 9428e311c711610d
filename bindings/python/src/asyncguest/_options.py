"""What the next event loop of this thread is to be driven by.

Owns: one thread-local slot. `loop_factory` takes no arguments, as asyncio's does, and a loop has to know its drive
when it is made, because its first fd is registered then. So the guest leaves its wishes here while the factory runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_slot = threading.local()


@contextmanager
def new_loops_get(**options: Any) -> Iterator[None]:
    """Loops made inside this block, on this thread, get these arguments for their reactor."""
    before = for_new_loop()
    _slot.options = options
    try:
        yield
    finally:
        _slot.options = before


def for_new_loop() -> dict[str, Any]:
    """The arguments for a reactor that is made now."""
    return getattr(_slot, "options", {})
