"""One sample, in a process of its own.

    cell.py DESIGN HOST WORK [SIZE...]

Prints its figures as JSON. Exit status 3: what it needs is not here; the reason is printed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Coroutine
from typing import Any

import designs
from emissions import EMISSIONS
from work import WORK


def main() -> int:
    design, host, work, *sizes = sys.argv[1:]
    size = [float(text) if "." in text else int(text) for text in sizes]

    def start(host: Any) -> Coroutine[Any, Any, Any]:
        return (WORK | EMISSIONS)[work](host, *size)

    gc.freeze()  # what was imported is not the subject
    try:
        figures = designs.run(design, host, start)
    except ImportError as error:
        print(error)
        return 3
    except Exception as error:
        if type(error).__name__ != "TclError" or "display" not in str(error):
            raise
        print(error)
        return 3
    print(json.dumps(figures))
    return 0


status = main()
sys.stdout.flush()
os._exit(status)  # the peers' threads may never end
