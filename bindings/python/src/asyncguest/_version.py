"""The package's version: the library's, which is built into it."""

from ._native import ffi, lib

__version__: str = ffi.string(lib.guest_version_string()).decode()
