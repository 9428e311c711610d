"""Adapters: one module for each main loop that a guest can live in.

`queue` (a plain thread with a queue), `asyncio` (an asyncio program), `trio` (a Trio program), `tk` (tkinter). Each
module imports its toolkit, so import just the one you need. `chaos` makes any of them fail on purpose, for tests. For
any other loop derive from `asyncguest.Host` and let `asyncguest.hostcheck` look at it.
"""
