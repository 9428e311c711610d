"""Describes asyncguest._native to cffi: the ABI as the header has it, and the helpers of _native.c.

cffi executes this file for setup.py (cffi_modules); it is never imported.
"""

import os

from cffi import FFI

from build_support import declarations, rust

# For our own builds. The exceptions are what cffi's generated code cannot help.
STRICT = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]


def make() -> FFI:
    ffi = FFI()
    ffi.cdef(declarations.abi(rust.HEADER.read_text("utf-8")))
    ffi.cdef(declarations.HELPERS)
    ffi.set_source(
        "asyncguest._native",
        '#line 1 "_native.c"\n' + rust.NATIVE_C.read_text("utf-8"),
        include_dirs=[str(rust.HEADER.parent)],
        # What Rust's standard library needs of the system; empty archives in a modern glibc.
        libraries=["pthread", "dl", "m"],
        extra_compile_args=STRICT if os.environ.get("ASYNCGUEST_WERROR") else [],
        # Two copies of the library in one process (this and, say, a C program's own) must not see each other's symbols;
        # and most of Rust's standard library is never called.
        extra_link_args=["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,--strip-debug"],
    )
    return ffi
