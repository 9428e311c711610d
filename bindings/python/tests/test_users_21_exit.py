"""USERS 21: the interpreter ends at random instants, in several ways: the status is right, and nothing hangs or crashes.

One program forks the others before it has started anything, so that each is a whole interpreter that comes to its end
without the time it takes to start one.
"""

from __future__ import annotations

import json
import os

import pytest
from helpers import FULL
from scripts import run_script

PROGRAM = """
import json, random
drive, load, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
STATUS = {"end of script": 0, "sys.exit": 7, "exception": 1, "os._exit": 3, "SIGTERM": -15}
rng = random.Random(seed)
delays = [rng.random() * 0.02 for _ in range(count)]
reading, writing = os.pipe()
wrong = []
for number in range(count):
    way = list(STATUS)[number % 5]
    pid = os.fork()
    if not pid:
        break
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = os.read(reading, 100) if way not in ("os._exit", "SIGTERM") and load != "other thread" else b"done"
    if status != STATUS[way] or said != b"done":
        wrong.append((way, status, said.decode(), delays[number]))
else:
    say(json.dumps(wrong))
    os._exit(0)

# ---- the child, which comes to its end by itself
signal.alarm(20)  # a hang is the status -14
delay, until = delays[number], 0.0
ended = threading.Event()

async def main():
    loop = asyncio.get_running_loop()
    def poke():  # the thread that posts is at it until the very end
        try:
            while True:
                loop.call_soon_threadsafe(int)
                time.sleep(0)
        except RuntimeError:
            pass  # the loop is closed
    if load == "posts":
        threading.Thread(target=poke, daemon=True).start()
    try:
        while True:
            if load == "idle":
                await asyncio.sleep(60)
            elif load == "executor":
                await asyncio.to_thread(int)
            elif load == "timers":
                await asyncio.sleep(0.0001)
            else:
                await asyncio.sleep(0 if rng.random() < 0.9 else 0.001)
    finally:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(int)

def done(task):
    os.write(writing, b"done")

def a_host():
    host = QueueHost(drive)
    asyncguest.Guest(host, done_callback=done).start(main)
    return host

def leave():
    if way == "sys.exit":
        sys.exit(7)
    if way == "exception":
        raise LookupError("boom")
    if way == "os._exit":
        os._exit(3)

if way == "SIGTERM":
    threading.Timer(delay, os.kill, (os.getpid(), signal.SIGTERM)).start()
elif way == "os._exit":
    threading.Timer(delay, os._exit, (3,)).start()
if load == "other thread":
    # Its run is abandoned in the middle of whatever it does.
    threading.Thread(target=lambda: a_host().run(), daemon=True).start()
    time.sleep(delay if way not in ("os._exit", "SIGTERM") else 60)
    leave()
else:
    host = a_host()
    until = time.monotonic() + delay
    while time.monotonic() < until or way in ("os._exit", "SIGTERM"):
        host.run_once(max(0.0, until - time.monotonic()))
    leave()
"""


ONCE = [pytest.param(load, marks=pytest.mark.once) for load in ("idle", "timers")]


@pytest.mark.slow
@pytest.mark.parametrize("load", ["busy", "executor", "posts", "other thread", *ONCE])
def test_exit_at_random_instants(drive, load):
    count = 500 if FULL else 10
    ended = run_script(
        PROGRAM, drive, load, count, os.getpid(), options=("-W", "ignore"), timeout=300 if FULL else 50
    ).check()
    assert json.loads(ended.lines[-1]) == []
    lost = [
        line for line in ended.stderr.splitlines() if "Fatal" in line or "panicked" in line or "Segmentation" in line
    ]
    assert not lost, ended.stderr[-3000:]
