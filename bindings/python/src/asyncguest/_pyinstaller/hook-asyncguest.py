"""All adapters that `asyncguest.start` may ask for, by names that only its table knows."""

from PyInstaller import isolated


@isolated.decorate
def _adapters() -> list[str]:
    import sys

    from asyncguest._detect import TOOLKITS

    return [f"asyncguest.hosts.{row.adapter}" for row in TOOLKITS if row.system in (None, sys.platform)]


hiddenimports = _adapters()
# The part of hostcheck that starts interpreters: a frozen program has none.
excludedimports = ["asyncguest._hostcheck._parent"]
