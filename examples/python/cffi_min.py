#!/usr/bin/env python3
"""A guest in a plain select() loop by way of cffi, in both of its modes.

    cffi_min.py target/release/libasyncguest.so            ABI mode: nothing is compiled, the struct layouts are believed
    cffi_min.py target/release/libasyncguest.so include    API mode: a C compiler reads asyncguest.h in that folder

In API mode the compiler checks each declaration against the header and fills in what stands as `...`; the module that it
makes is linked with the library. (For asyncio in Python there is the package `asyncguest`; this shows the bare C ABI.)
"""

import importlib.util
import os
import select
import socket
import sys
import tempfile

import cffi

# What this program needs of asyncguest.h. `%s` is `...` in API mode: the compiler knows what else there is, and how large.
DECLARATIONS = """
    typedef ... guest_t;
    typedef int32_t guest_status_t;
    typedef uint64_t guest_id_t;
    typedef struct {
        size_t struct_size;
        void *data;
        int32_t (*post)(void *data, uint64_t token);
        int32_t (*post_local)(void *data, uint64_t token);
        void (*done)(void *data, guest_status_t status);
        void (*on_stall)(void *data, uint32_t kind, uint64_t nanoseconds);
    } guest_host_t;
    typedef struct {
        size_t struct_size;
        uint32_t drive;
        %s
    } guest_options_t;
    guest_status_t guest_start(const guest_host_t *host, const guest_options_t *options, guest_t **guest_out);
    guest_status_t guest_fd(const guest_t *g, int *fd_out);
    guest_status_t guest_fd_add(guest_t *g, int fd, uint32_t events,
        void (*callback)(guest_t *g, guest_id_t id, uint32_t events, void *user_data),
        void *user_data, void (*drop)(void *user_data), guest_id_t *id_out);
    guest_status_t guest_timer_add(guest_t *g, uint64_t delay, uint64_t period,
        void (*callback)(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data),
        void *user_data, void (*drop)(void *user_data), guest_id_t *id_out);
    guest_status_t guest_deliver_batch(guest_t *g, uint64_t token);
    guest_status_t guest_cancel(guest_t *g);
    void guest_free(guest_t *g);
    guest_status_t guest_last_error(guest_status_t *status, int32_t *os_error, char *buffer, size_t capacity, size_t *length);
"""
REST_OF_OPTIONS = (
    "uint32_t flags; uint64_t batch_budget, nested_after, repost_after, stall_after; uint32_t work_threads, reserved;"
)
READABLE, DRIVE_FD, MS = 1, 1, 1_000_000


def by_abi(library):
    """ffi and lib without a compiler."""
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS % REST_OF_OPTIONS)
    return ffi, ffi.dlopen(library)


def by_api(library, include):
    """The same from a module that the compiler has made; a package would make it once, when it is built."""
    builder = cffi.FFI()
    builder.cdef(DECLARATIONS % "...;")
    builder.set_source(
        "_cffi_min",
        "#include <asyncguest.h>",
        include_dirs=[os.path.abspath(include)],
        extra_link_args=[os.path.abspath(library)],
    )
    with tempfile.TemporaryDirectory() as target:
        spec = importlib.util.spec_from_file_location("_cffi_min", builder.compile(target))
        builder.dlopen(library)  # so that the loader need not look for it
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.ffi, module.lib


library, *include = sys.argv[1:] or ["libasyncguest.so.0"]
ffi, lib = by_api(library, *include) if include else by_abi(library)


def call(name, *arguments):
    """Calls a function that returns a status."""
    if getattr(lib, name)(*arguments) < 0:
        text = ffi.new("char[400]")
        lib.guest_last_error(ffi.NULL, ffi.NULL, text, len(text), ffi.NULL)
        raise OSError(f"{name}: {ffi.string(text).decode()}")


running = True
near, far = socket.socketpair()


# Callbacks run inside guest_deliver_batch, on this thread. Python must keep them alive for as long as the guest may call.
@ffi.callback("void(guest_t *, guest_id_t, uint64_t, void *)")
def on_timer(g, timer, expirations, data):
    print("timer: sending a byte")
    far.send(b"!")


@ffi.callback("void(guest_t *, guest_id_t, uint32_t, void *)")
def on_ready(g, fd, events, data):
    print("socket: received", near.recv(16))
    call("guest_cancel", guest)  # leads to on_done


@ffi.callback("void(void *, guest_status_t)")
def on_done(data, status):
    global running
    print("done, status", status)
    running = False


host = ffi.new("guest_host_t *", {"struct_size": ffi.sizeof("guest_host_t"), "done": on_done})
options = ffi.new("guest_options_t *", {"struct_size": ffi.sizeof("guest_options_t"), "drive": DRIVE_FD})
guest_out, watched = ffi.new("guest_t **"), ffi.new("int *")
call("guest_start", host, options, guest_out)
guest = guest_out[0]
call("guest_fd_add", guest, near.fileno(), READABLE, on_ready, ffi.NULL, ffi.NULL, ffi.NULL)
call("guest_timer_add", guest, 50 * MS, 0, on_timer, ffi.NULL, ffi.NULL, ffi.NULL)

# The host: one fd to watch, no timeout to compute. It is readable when anything is due.
call("guest_fd", guest, watched)
while running:
    select.select([watched[0]], [], [])
    call("guest_deliver_batch", guest, 0)
lib.guest_free(guest)
