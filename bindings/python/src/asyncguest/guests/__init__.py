"""Other async libraries than asyncio as guests, on the same adapters: one module for each, which imports that library.

`trio`: Trio, and with it what stands on it, such as anyio.
"""
