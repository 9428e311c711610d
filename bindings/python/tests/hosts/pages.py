"""The programs on the pages of docs/hosts: each runs, ends and prints what the page says.

    python pages.py PAGE...     a line of JSON for each program, as play.py has it for a scenario

What a program imports and this Python does not have skips it: there is another Python that has it. How a page says what
is to be done with a program: see `blocks.py` beside this folder. Programs end by themselves.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from blocks import Block, blocks_of, is_like  # noqa: E402
from terminal import run_in_terminal  # noqa: E402

PATIENCE = 60


def lacks(block: Block) -> str:
    """Why the program is not run here; "" if it can be."""
    if block.reason_not_to_run:
        return f"not run: {block.reason_not_to_run}"
    for node in ast.walk(ast.parse(block.code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if importlib.util.find_spec(name.partition(".")[0]) is None:
                return f"No module named {name!r}"
    return ""


def wrong(block: Block) -> tuple[str, str]:
    """Runs the program; what is wrong with it, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        program = block.write(Path(folder))
        # PyGObject imports in a way that Python warns of.
        command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::ImportWarning", str(program)]
        try:
            if block.terminal is None:
                done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=PATIENCE)
            else:
                done = run_in_terminal(command, folder, *block.terminal, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            return f"does not end within {PATIENCE} s", str(error.stderr or error.stdout or "")
    # asyncio's debug mode times every callback: on a busy machine any of them may be slow, and dialogs always are.
    stderr = re.sub(r"^Executing .* took [0-9.]+ seconds\n", "", done.stderr, flags=re.MULTILINE)
    said = f"stdout:\n{done.stdout}stderr:\n{stderr}"
    if done.returncode:
        return f"exit status {done.returncode}", said
    if re.search(r"Traceback|\w+Warning:", stderr):
        return "a warning or a traceback on stderr", said
    return ("", "") if is_like(done.stdout, block.prints) else ("prints something else than the page says", said)


def main(pages: list[str]) -> int:
    """The command. Returns its exit status."""
    failed = 0
    for block in [block for page in pages for block in blocks_of(Path(page))]:
        compile(block.code, block.name, "exec")
        outcome = {"stage": "pages", "drive": "-", "scenario": block.name, "outcome": "skipped", "why": lacks(block)}
        if not outcome["why"]:
            began = monotonic()
            why, said = wrong(block)
            outcome.update(outcome="failed" if why else "passed", why=why, said=said)
            outcome["seconds"] = round(monotonic() - began, 2)
            failed += bool(why)
        print(json.dumps(outcome), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
