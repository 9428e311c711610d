"""The command line of the demo.

Exit status: 0; 1 if a scripted session saw something wrong; 2 if it cannot run here; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

PROGRAM = "python -m asyncguest.demo"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="A Tk window that downloads files with asyncio as its guest: all on one thread, with nothing "
        "polled, also while a message box stands.",
    )
    parser.add_argument(
        "urls", nargs="*", metavar="URL[#sha256=HEX]", help="what to download; by default files of a local server"
    )
    parser.add_argument("--drive", choices=("fd", "thread"), help="how the guest waits; by default the better one")
    parser.add_argument(
        "--seconds", type=float, default=8.0, metavar="N", help="how long the local server's files take (default: 8)"
    )
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="FILE",
        help="a session by a script, which takes this picture with a message box in the midst and ends by itself",
    )
    chosen = parser.parse_args()
    if not 0.5 <= chosen.seconds <= 3600:
        parser.error("--seconds is between 0.5 and 3600")
    return chosen


def cannot(why: object) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return 2


def main() -> int:
    chosen = options()
    try:
        import tkinter

        from . import picture
        from .app import Demo
        from .report import report
        from .session import Session, can_answer
    except ImportError as error:
        if error.name not in ("tkinter", "_tkinter"):
            raise
        return cannot("this Python has no tkinter: install it (Debian: python3-tk), or take another Python")
    if chosen.screenshot is not None:
        try:
            picture.check()
        except picture.PictureError as error:
            return cannot(error)
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        return cannot(f"there is no display: {error}. Run it in a graphical session, or under xvfb-run")
    if chosen.screenshot is not None and not can_answer(root):
        root.destroy()
        return cannot("--screenshot needs X11: elsewhere the message box is the system's and no script can answer it")
    try:
        demo = Demo(root, chosen.urls, chosen.drive, chosen.seconds)
    except ValueError as error:
        root.destroy()
        return cannot(error)
    session = Session(demo, chosen.screenshot, chosen.seconds) if chosen.screenshot is not None else None
    demo.run(session.run if session is not None else None)
    print(report(demo))
    task = demo.guest.task
    if demo.guest.interrupted_count:
        return 130
    if not task.cancelled():
        task.result()  # raises what ended the run
    for problem in session.problems if session is not None else ():
        print(f"NOT as expected: {problem}", file=sys.stderr)
    return 1 if session is not None and session.problems else 0


if __name__ == "__main__":
    sys.exit(main())
