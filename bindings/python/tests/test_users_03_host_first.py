"""USERS 3: the host is ended in six ways: `finally` ran, `done_callback` came once, the status is right, in time."""

from __future__ import annotations

import pytest
from scripts import IN_EXECUTOR, run_script

PROGRAM = """
drive, ending = sys.argv[1:3]

class WindowHost(QueueHost):
    '''A toolkit: it has an end of its own, and its adapter hooks it as `Host.attached` says.'''

    def attached(self, guest):
        self.guest = guest

    def quit(self):
        self.stop()

    def destroy(self):
        self.guest.shutdown(5)
        self.stop()

async def side():
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.005)
        say("side")

async def main():
    asyncio.create_task(side())
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.005)
        say("finally", IN_EXECUTOR)

host = WindowHost(drive)
guest = asyncguest.Guest(host, done_callback=lambda task: say("done", task.cancelled()))
guest.start(main)
host.run_once(0.01)

if ending == "window destroyed":
    host.post(host.destroy)
    host.run()
elif ending == "quit, then shutdown":
    host.post(host.quit)
    host.run()
    assert guest.shutdown(5)
elif ending == "host loop returned, script ends":
    host.post(host.quit)
    host.run()
elif ending == "SystemExit in a handler":
    host.post(lambda: sys.exit(0))
    host.run()
elif ending == "exception in a handler, caught outside":
    host.post(lambda: 1 / 0)
    try:
        host.run()
    except ZeroDivisionError:
        guest.shutdown()
elif ending == "Ctrl-C twice":
    host.post(lambda: os.kill(os.getpid(), signal.SIGINT))
    host.post(lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        host.run()
    except KeyboardInterrupt:
        pass
say("script ends")
"""

ENDINGS = {
    "window destroyed": "before",
    "quit, then shutdown": "before",
    "host loop returned, script ends": "after",
    "SystemExit in a handler": "after",
    "exception in a handler, caught outside": "before",
    "Ctrl-C twice": "after",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_host_ends_first(drive, ending):
    ended = run_script(PROGRAM.replace("IN_EXECUTOR", IN_EXECUTOR), drive, ending).check()
    lines = [line for line in ended.lines if line != "script ends"]
    assert lines == ["finally ran", "side", "done True"]
    # The library's own warning only where the program left the end to the exit hook.
    assert ended.stderr.count("RuntimeWarning") == (ENDINGS[ending] == "after"), ended.stderr
    assert "Traceback" not in ended.stderr and "never" not in ended.stderr, ended.stderr
