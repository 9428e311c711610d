"""USERS 33: very many forks, with and without exec, from a program whose guest is at work: no child hangs."""

from __future__ import annotations

import json

import pytest
from helpers import FULL
from scripts import run_script

COUNT = 1000 if FULL else 12

PROGRAM = """
import json, random, subprocess
drive, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
wrong, rng = [], random.Random(33)

def child(number):
    signal.alarm(20)  # a hang is the status -14
    if kind == "nothing":
        return
    if kind == "asyncio.run":
        assert asyncio.run(asyncio.sleep(0, 1)) == 1
    elif kind == "asyncguest.run":
        assert asyncguest.run(asyncio.sleep(0, 1)) == 1
    elif kind == "guest":
        host = QueueHost(drive)
        task = asyncguest.Guest(host, done_callback=host.stop).start(asyncio.sleep, 0.0001, 1)
        host.run()
        assert task.result() == 1
    elif kind == "exec":
        os.execv("/bin/true", ["true"])

async def busy():
    while True:
        await asyncio.sleep(rng.choice((0, 0.0001)))

async def main():
    loop = asyncio.get_running_loop()
    spinner = loop.create_task(busy())
    for number in range(count):
        if kind == "subprocess":
            process = await asyncio.create_subprocess_exec("true")
            status = await process.wait()
        else:
            pid = os.fork()
            if not pid:
                status = 99
                try:
                    child(number)
                    status = 0
                except BaseException:
                    import traceback
                    traceback.print_exc()
                finally:
                    os._exit(status)
            # Off the host thread: the guest lives on while its child does.
            status = await asyncio.to_thread(lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if status:
            wrong.append((number, status))
    spinner.cancel()

host = QueueHost(drive)
task = asyncguest.Guest(host, done_callback=host.stop).start(main)
host.run()
host.close()
task.result()
say(json.dumps(wrong))
"""


ONCE = [pytest.param(kind, marks=pytest.mark.once) for kind in ("nothing", "exec", "subprocess")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["asyncio.run", "asyncguest.run", "guest", *ONCE])
def test_forks_of_a_busy_program(drive, kind):
    ended = run_script(PROGRAM, drive, kind, COUNT, options=("-W", "ignore"), timeout=55 + COUNT // 4).check()
    assert json.loads(ended.lines[-1]) == [], ended.stderr[-3000:]
    assert ended.stderr == ""


def test_multiprocessing_pool_by_fork_in_an_executor(drive):
    ended = run_script(
        """
        import concurrent.futures, multiprocessing

        async def inner(n):
            await asyncio.sleep(0.001)
            return n * n

        def square(n):
            return asyncio.run(inner(n))

        async def main():
            loop = asyncio.get_running_loop()
            context = multiprocessing.get_context("fork")
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
                return await asyncio.gather(*(loop.run_in_executor(pool, square, n) for n in range(10)))

        host = QueueHost(sys.argv[1])
        task = asyncguest.Guest(host, done_callback=host.stop).start(main)
        host.run()
        host.close()
        say(task.result())
        """,
        drive,
        options=("-W", "ignore"),
    ).check()
    assert ended.lines == [str([n * n for n in range(10)])] and ended.stderr == ""
