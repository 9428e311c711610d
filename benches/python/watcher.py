"""Looks from outside at how much an idle process does, by the kernel's accounts of all its threads.

    watcher.py FD PID SECONDS

Prints processor time and wake-ups in a second. A process of its own; FD is the open connection that it stands for.
"""

import json
import os
import re
import sys
import time


def accounts(pid: int) -> tuple[float, int]:
    """Processor time in ms, and how often the threads have gone to sleep: as often they were woken."""
    nanoseconds = sleeps = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
            nanoseconds += int(stat.read().split()[0])
        with open(f"/proc/{pid}/task/{thread}/status") as status:
            found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.MULTILINE)
            sleeps += int(found[1]) if found else 0
    return nanoseconds / 1e6, sleeps


def main() -> None:
    pid, seconds = int(sys.argv[2]), float(sys.argv[3])
    time.sleep(min(0.3, seconds))  # until it is idle
    cpu, sleeps = accounts(pid)
    time.sleep(seconds)
    cpu_later, sleeps_later = accounts(pid)
    print(json.dumps({"cpu_ms": (cpu_later - cpu) / seconds, "wakes": (sleeps_later - sleeps) / seconds}), flush=True)


main()
