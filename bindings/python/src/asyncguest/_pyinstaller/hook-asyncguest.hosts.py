"""An adapter is no reason to bring its toolkit along: that is in the program if the program itself imports it."""

from PyInstaller import isolated


@isolated.decorate
def _toolkits() -> list[str]:
    from asyncguest._toolkits import TOOLKITS

    return sorted({name.partition(".")[0] for row in TOOLKITS for name in row.shown_by} - {"asyncio"})


# The table has no rows for these, which a program gives its main loop of.
excludedimports = [*_toolkits(), "prompt_toolkit", "urwid"]
