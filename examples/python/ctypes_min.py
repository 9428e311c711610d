#!/usr/bin/env python3
"""A guest in a plain select() loop, with nothing but ctypes: any language that can call C can do the same.

Run it with the library's path: ctypes_min.py target/release/libasyncguest.so
(For asyncio in Python there is the package `asyncguest`; this shows the bare C ABI.)
"""

import ctypes as c
import select
import socket
import sys

lib = c.CDLL(sys.argv[1] if len(sys.argv) > 1 else "libasyncguest.so.0")
READABLE, DRIVE_FD, MS = 1, 1, 1_000_000

# The structs and callback types of asyncguest.h. `struct_size` comes first, so that old programs go on with new libraries.
DONE = c.CFUNCTYPE(None, c.c_void_p, c.c_int32)
FD_READY = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_uint32, c.c_void_p)
TIMER_DUE = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_uint64, c.c_void_p)


class Host(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("data", c.c_void_p),
        ("post", c.c_void_p),
        ("post_local", c.c_void_p),
        ("done", DONE),
        ("on_stall", c.c_void_p),
    ]


class Options(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("drive", c.c_uint32),
        ("flags", c.c_uint32),
        ("batch_budget", c.c_uint64),
        ("nested_after", c.c_uint64),
        ("repost_after", c.c_uint64),
        ("stall_after", c.c_uint64),
        ("work_threads", c.c_uint32),
        ("reserved", c.c_uint32),
    ]


def call(name, *arguments):
    """Calls a function that returns a status. ctypes takes a bare int for 32 bits, so wrap what is longer."""
    status = getattr(lib, name)(*arguments)
    if status < 0:
        text = c.create_string_buffer(400)
        lib.guest_last_error(None, None, text, c.c_size_t(len(text)), None)
        raise OSError(f"{name}: {text.value.decode()}")


guest, running = c.c_void_p(), True
near, far = socket.socketpair()


# Callbacks run inside guest_deliver_batch, on this thread. Python must keep them alive for as long as the guest may call.
@TIMER_DUE
def on_timer(g, timer, expirations, data):
    print("timer: sending a byte")
    far.send(b"!")


@FD_READY
def on_ready(g, fd, events, data):
    print("socket: received", near.recv(16))
    call("guest_cancel", guest)  # leads to on_done


@DONE
def on_done(data, status):
    global running
    print("done, status", status)
    running = False


host = Host(struct_size=c.sizeof(Host), done=on_done)
options = Options(struct_size=c.sizeof(Options), drive=DRIVE_FD)
call("guest_start", c.byref(host), c.byref(options), c.byref(guest))
call("guest_fd_add", guest, near.fileno(), READABLE, on_ready, None, None, None)
call("guest_timer_add", guest, c.c_uint64(50 * MS), c.c_uint64(0), on_timer, None, None, None)

# The host: one fd to watch, no timeout to compute. It is readable when anything is due.
watched = c.c_int()
call("guest_fd", guest, c.byref(watched))
while running:
    select.select([watched.value], [], [])
    call("guest_deliver_batch", guest, c.c_uint64(0))
lib.guest_free(guest)
