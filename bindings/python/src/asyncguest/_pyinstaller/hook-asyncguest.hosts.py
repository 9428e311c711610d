"""An adapter is no reason to bring its toolkit along: that is in the program if the program itself imports it."""

from PyInstaller import isolated


@isolated.decorate
def _toolkits() -> list[str]:
    from asyncguest._detect import TOOLKITS

    return sorted({name.partition(".")[0] for row in TOOLKITS for name in row.shown_by} - {"asyncio"})


# The table has no row for prompt_toolkit, on which the adapter for IPython is built.
excludedimports = [*_toolkits(), "prompt_toolkit"]
