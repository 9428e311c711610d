"""Unix's part of `_event`: an eventfd, and an epoll set."""

import sys

assert sys.platform != "win32"

import os
import select

READABLE = select.EPOLLIN
Poll = select.epoll
set_event = os.eventfd_write
clear_event = os.eventfd_read
close_event = os.close


def new_event() -> int:
    """It stays set until it is cleared, and never blocks."""
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
