"""All adapters that `asyncguest.start` may ask for, and modules of `asyncguest.sources`: by names that only tables know."""

from PyInstaller import isolated


@isolated.decorate
def _adapters() -> list[str]:
    import sys

    from asyncguest._toolkits import TOOLKITS
    from asyncguest.sources.find import ROWS

    hosts = [row.module for row in TOOLKITS if row.module and row.system in (None, sys.platform)]
    return [*hosts, *(f"asyncguest.sources.{row.module}" for row in ROWS)]


hiddenimports = _adapters()
# The part of hostcheck that starts interpreters: a frozen program has none.
excludedimports = ["asyncguest._hostcheck._parent"]
