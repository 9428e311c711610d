"""What asyncio registers its fds with: a `selectors.BaseSelector` over the reactor.

Owns: the map from fd to what is registered for it. Host thread only.
"""

from __future__ import annotations

import selectors
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._native import Reactor, seconds

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class GuestSelector(selectors.BaseSelector):
    """Registers with the reactor, which is waited for elsewhere; asyncio's transports see an ordinary selector."""

    def __init__(self, reactor: Reactor, polled_by_hand: Callable[[], object] = bool) -> None:
        self.reactor = reactor
        self._polled_by_hand = polled_by_hand
        #: fd to key. Public to the loop, which looks up each event here.
        self.keys: dict[int, selectors.SelectorKey] = {}
        self._ids: dict[int, int] = {}
        #: What an fd is not watched for at the moment, though it is registered.
        self._muted: dict[int, int] = {}

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileno(fileobj)
        check_events(events)
        if fd in self.keys:
            raise KeyError(f"{fileobj!r} (fd {fd}) is already registered")
        self._ids[fd] = self.reactor.watch(fd, events)
        key = self.keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    if sys.platform == "win32":

        def register_handle(self, handle: int, data: Any) -> None:
            """Registers a handle that is no socket, which is readable for as long as it is signalled."""
            self._ids[handle] = self.reactor.watch_handle(handle)
            self.keys[handle] = selectors.SelectorKey(handle, handle, selectors.EVENT_READ, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        fd = self.fd_of(fileobj)
        key = self.keys.pop(fd)
        self._muted.pop(fd, None)
        self.reactor.unwatch(self._ids.pop(fd))
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = self.fd_of(fileobj)
        key = self.keys[fd]
        if events != key.events or fd in self._muted:
            check_events(events)
            self._muted.pop(fd, None)
            try:
                self.reactor.rewatch(self._ids[fd], events)
            except OSError:
                # As CPython's selectors: the file was closed, and its number can be registered anew.
                self.unregister(fd)
                raise
        key = self.keys[fd] = key._replace(events=events, data=data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits like any selector. The loop itself does not come by here: somebody iterates it by hand."""
        with self.reactor.delivery():
            pairs = iter(self.reactor.poll(None if timeout is None else seconds(timeout)))
        self._polled_by_hand()
        found = []
        for fd, flags in zip(pairs, pairs):
            key = self.keys.get(fd)
            if key is not None:
                mask = (flags & ~2 and selectors.EVENT_READ) | (flags & ~1 and selectors.EVENT_WRITE)
                found.append((key, mask & key.events))
        return found

    def close(self) -> None:
        self.keys.clear()
        self._ids.clear()
        self._muted.clear()
        self.reactor.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return KeyMap(self)

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self.keys[self.fd_of(fileobj)]

    def mute(self, handle: object) -> bool:
        """Stops watching for what `handle` is called for: it stands in a nested host loop. False: that is no fd."""
        found = False
        for fd, key in self.keys.items():
            if handle in key.data:
                found = True
                side = selectors.EVENT_READ if handle is key.data[0] else selectors.EVENT_WRITE
                muted = self._muted.get(fd, 0)
                # A hang-up is reported whatever is watched for, so that it may come here twice.
                self._muted[fd] = ~0 if muted & side else muted | side
                self.reactor.rewatch(self._ids[fd], key.events & ~self._muted[fd])
        return found

    def unmute(self) -> None:
        """Watches them again."""
        muted, self._muted = self._muted, {}
        for fd in muted:
            try:
                self.reactor.rewatch(self._ids[fd], self.keys[fd].events)
            except OSError:  # it was closed meanwhile, and nobody has said so
                self.unregister(fd)

    def fd_of(self, fileobj: FileDescriptorLike) -> int:
        """The fd that `fileobj` was registered with, also if it is closed by now."""
        try:
            fd = fileno(fileobj)
        except ValueError:
            fd = next((fd for fd, key in self.keys.items() if key.fileobj is fileobj), -1)
        if fd not in self.keys:
            raise KeyError(f"{fileobj!r} is not registered")
        return fd


class KeyMap(Mapping[Any, selectors.SelectorKey]):
    """What is registered, by fd and by the object that was registered: asyncio looks up either from 3.13 on."""

    def __init__(self, selector: GuestSelector) -> None:
        self._selector = selector

    def __getitem__(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else self._selector.fd_of(fileobj)
        return self._selector.keys[fd]

    def __len__(self) -> int:
        return len(self._selector.keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._selector.keys)


def fileno(fileobj: FileDescriptorLike) -> int:
    """The fd of an int or of an object with `fileno()`; ValueError if there is none."""
    try:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{fileobj!r} is neither an fd nor an object with fileno()") from None
    if fd < 0:
        raise ValueError(f"{fileobj!r} has the fd {fd}: it is closed")
    return fd


def check_events(events: int) -> None:
    """ValueError unless `events` is EVENT_READ, EVENT_WRITE or both."""
    if not events or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
        raise ValueError(f"events must be EVENT_READ, EVENT_WRITE or both, not {events!r}")
