"""USERS 7: Ctrl-C at random instants, idle and busy: the main task is cancelled, one end, and the host lives.

Each program does many runs; a thread sends the signal, now to the process and now to itself, which leaves the main
thread asleep in its host's poll.
"""

from __future__ import annotations

import json
import os

import pytest
from helpers import FULL
from scripts import run_script

RUNS = 200 if FULL else 25

PROGRAM = """
import json, random
drive, load, runs, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)

def killer(delay, to_itself):
    time.sleep(delay)
    if to_itself:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)

async def main(noted):
    loop = asyncio.get_running_loop()
    try:
        if load == "idle":
            await asyncio.sleep(60)
        elif load == "busy":
            while True:
                await asyncio.sleep(0)
        elif load == "timers":
            while True:
                await asyncio.sleep(0.0002)
        elif load == "threads":
            while True:
                await asyncio.to_thread(int)
        else:  # side tasks only
            async def spin():
                while True:
                    await asyncio.sleep(0)
            asyncio.create_task(spin())
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        noted.append(True)
        await asyncio.sleep(0)
        raise

bad = []
for number in range(runs):
    host = QueueHost(drive)
    done, noted, beats = [], [], []
    guest = asyncguest.Guest(host, done_callback=lambda task: (done.append(task), host.stop()))
    task = guest.start(main, noted)
    thread = threading.Thread(target=killer, args=(rng.random() * 0.01, rng.random() < 0.5))
    thread.start()
    try:
        host.run()
    except BaseException as error:
        bad.append((number, "came out of the host", repr(error)))
        guest.shutdown(1)
    thread.join()
    # The host lives: it still runs jobs, and nothing else comes.
    host.post(lambda: beats.append(True))
    host.run_once(0)
    host.close()
    if done != [task] or noted != [True] or not task.cancelled() or beats != [True] or guest.interrupted_count != 1:
        bad.append((number, repr(done), repr(task), noted, beats, guest.interrupted_count))
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        bad.append((number, "handler left"))
say(json.dumps(bad))
"""


ONCE = [pytest.param(load, marks=pytest.mark.once) for load in ("timers", "threads")]


@pytest.mark.slow
@pytest.mark.parametrize("load", ["idle", "busy", "side tasks", *ONCE])
def test_ctrl_c_at_random_instants(drive, load):
    ended = run_script(PROGRAM, drive, load, RUNS, os.getpid(), options=(), timeout=58).check()
    assert json.loads(ended.lines[-1]) == []
    assert ended.stderr == ""
