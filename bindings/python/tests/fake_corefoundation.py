"""A stand-in for CoreFoundation, for tests of `asyncguest.hosts.cfrunloop` where there is no macOS.

Owns: one thread's run loop. The host thread, except `CFRunLoopWakeUp`, `CFRunLoopSourceSignal` and `input`.

A pass serves timers, signalled sources, events and readable descriptors, each once, as Apple documents it; a timer whose
function is on the stack does not fire.
"""

from __future__ import annotations

import os
import select
from collections import deque
from time import monotonic
from types import SimpleNamespace

LOOP = 1


class FakeCoreFoundation:
    common_modes = "common"

    def __init__(self):
        self.things = {}
        self.inputs = deque()
        self.stopped = 0
        self.depth = 0
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)

    def close(self):
        os.close(self.read)
        os.close(self.write)

    def new(self, **what):
        number = 1000 + len(self.things)
        self.things[number] = SimpleNamespace(number=number, held=1, valid=True, **what)
        return number

    def live(self):
        """What was made and not given back."""
        return [thing for thing in self.things.values() if thing.held or thing.valid]

    def CFRelease(self, number):
        self.things[number].held -= 1
        assert self.things[number].held >= 0

    def CFRunLoopGetCurrent(self):
        return LOOP

    def CFRunLoopCopyCurrentMode(self, loop):
        if not self.depth:
            return None
        mode = self.new(kind="string")
        self.things[mode].valid = False
        return mode

    def CFRunLoopWakeUp(self, loop):
        os.write(self.write, b"x")

    def input(self, function):
        """The user does something: `function()` is its handler."""
        self.inputs.append(function)
        self.CFRunLoopWakeUp(LOOP)

    def CFRunLoopSourceCreate(self, allocator, order, context):
        context = context._obj
        return self.new(kind="source", signalled=False, perform=context.perform, info=context.base.info)

    def CFRunLoopAddSource(self, loop, source, mode):
        assert (loop, mode) == (LOOP, "common")

    def CFRunLoopSourceSignal(self, source):
        self.things[source].signalled = True

    def CFRunLoopSourceInvalidate(self, source):
        self.things[source].valid = False

    def CFRunLoopTimerCreate(self, allocator, date, interval, flags, order, callout, context):
        return self.new(kind="timer", date=date, fires=False, callout=callout, info=context._obj.info)

    def CFRunLoopAddTimer(self, loop, timer, mode):
        assert (loop, mode) == (LOOP, "common")

    def CFRunLoopTimerSetNextFireDate(self, timer, date):
        self.things[timer].date = date

    def CFRunLoopTimerInvalidate(self, timer):
        self.things[timer].valid = False

    def CFAbsoluteTimeGetCurrent(self):
        return monotonic()

    def CFFileDescriptorCreate(self, allocator, fd, close, callout, context):
        assert not close
        return self.new(kind="descriptor", fd=fd, enabled=False, callout=callout, info=context._obj.info)

    def CFFileDescriptorCreateRunLoopSource(self, allocator, descriptor, order):
        number = self.new(kind="descriptor's source")
        self.things[number].valid = False  # it is with its descriptor
        return number

    def CFFileDescriptorEnableCallBacks(self, descriptor, kinds):
        assert self.things[descriptor].valid and kinds == 1
        self.things[descriptor].enabled = True

    def CFFileDescriptorDisableCallBacks(self, descriptor, kinds):
        assert self.things[descriptor].valid and kinds == 1
        self.things[descriptor].enabled = False

    def CFFileDescriptorInvalidate(self, descriptor):
        self.things[descriptor].valid = False

    def CFRunLoopStop(self, loop):
        self.stopped = max(self.stopped, self.depth)

    def CFRunLoopRun(self):
        self.depth += 1
        while self.stopped < self.depth:
            self.one_pass()
        self.depth -= 1
        self.stopped = 0

    def one_pass(self):
        def valid(kind):
            return [thing for thing in list(self.things.values()) if thing.kind == kind and thing.valid]

        now = monotonic()
        for timer in valid("timer"):
            if timer.valid and not timer.fires and timer.date <= now:
                timer.date, timer.fires = now + 1e10, True
                timer.callout(timer.number, timer.info)
                timer.fires = False
        for source in valid("source"):
            if source.valid and source.signalled:
                source.signalled = False
                source.perform(source.info)
        if self.inputs:
            self.inputs.popleft()()
        if self.stopped >= self.depth:
            return
        busy = self.inputs or any(source.signalled for source in valid("source"))
        due = min((timer.date for timer in valid("timer")), default=1e10)
        poll = select.poll()
        poll.register(self.read, select.POLLIN)
        watched = {thing.fd: thing for thing in valid("descriptor") if thing.enabled}
        for fd in watched:
            poll.register(fd, select.POLLIN)
        milliseconds = 0 if busy else min(10_000, max(0, (due - monotonic()) * 1000))
        for fd, _ in poll.poll(milliseconds):
            if fd == self.read:
                os.read(fd, 4096)
            elif watched[fd].valid and watched[fd].enabled:
                watched[fd].enabled = False
                watched[fd].callout(watched[fd].number, 1, watched[fd].info)
