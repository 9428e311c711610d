"""USERS 8: the host installs its wake-up fd; the guest adds and removes handlers, forks and ends: both see every signal.

The number of the fd is unchanged all the time. The program is its own, because a wake-up fd belongs to a process.
"""

from __future__ import annotations

import pytest
from scripts import run_script

PROGRAM = """
import socket
drive, order = sys.argv[1:3]

def number():
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd

reading, writing = socket.socketpair()
reading.setblocking(False)
writing.setblocking(False)
mine = writing.fileno()
host = QueueHost(drive)
host_saw, guest_saw = [], []
host_reads = lambda: host_saw.extend(reading.recv(4096))

def install():
    signal.set_wakeup_fd(mine)

if order == "before":
    install()

async def main():
    loop = asyncio.get_running_loop()
    if order == "during":
        install()
    assert number() == mine
    for turn in range(20):
        heard = asyncio.Event()
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(sig, lambda sig=sig, heard=heard: (guest_saw.append(int(sig)), heard.set()))
        assert number() == mine
        sig = (signal.SIGUSR1, signal.SIGUSR2)[turn % 2]
        os.kill(os.getpid(), sig)
        await heard.wait()
        host_reads()
        if turn % 5 == 0:
            pid = os.fork()
            if pid == 0:
                # The child's wake-up fd is the one that it inherited, or none: never a guest's.
                os._exit(0 if number() in (mine, -1) else 9)
            assert os.waitpid(pid, 0)[1] == 0
        assert loop.remove_signal_handler(signal.SIGUSR1) and loop.remove_signal_handler(signal.SIGUSR2)
        assert number() == mine

guest = asyncguest.Guest(host, done_callback=host.stop, host_uses_signal_set_wakeup_fd=order == "during")
task = guest.start(main)
host.run()
host.close()
task.result()
assert number() == mine
say(guest_saw == [int(s) for s in (signal.SIGUSR1, signal.SIGUSR2)] * 10)
say(host_saw == guest_saw)
# The guest has gone: the host still sees its signals.
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
time.sleep(0)
say(list(reading.recv(100)) == [signal.SIGUSR1])
"""


@pytest.mark.parametrize("order", ["before", "during"])
def test_both_see_every_signal(drive, order):
    ended = run_script(PROGRAM, drive, order, options=("-W", "ignore::DeprecationWarning")).check()
    assert ended.lines == ["True"] * 3, ended
    assert ended.stderr == ""


def test_asyncio_as_the_host_keeps_its_wake_up_fd():
    # asyncio.run installs its own self-pipe; its handlers and the guest's hear of their signals.
    ended = run_script(
        """
        def number():
            fd = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
            return fd

        async def guest_main(heard):
            got = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, got.set)
            os.kill(os.getpid(), signal.SIGUSR2)
            await got.wait()
            heard.append("guest")

        async def main():
            loop = asyncio.get_running_loop()
            got, done, heard = asyncio.Event(), asyncio.Event(), []
            loop.add_signal_handler(signal.SIGUSR1, lambda: (heard.append("host"), got.set()))
            before = number()
            asyncguest.start_guest_run(
                guest_main, heard, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=lambda t: done.set())
            os.kill(os.getpid(), signal.SIGUSR1)
            await got.wait()
            await done.wait()
            assert number() == before != -1
            got.clear()
            os.kill(os.getpid(), signal.SIGUSR1)
            await got.wait()
            return sorted(heard)

        say(asyncio.run(main()))
        """
    ).check()
    assert ended.lines == ["['guest', 'host', 'host']"], ended
