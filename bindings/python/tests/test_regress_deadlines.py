"""A deadline that cannot be compared is refused before it is stored: the timers of the loop keep their order."""

from __future__ import annotations

import asyncio
import datetime
from decimal import Decimal
from fractions import Fraction

import asyncguest
import pytest
from helpers import run_guest

BAD = [datetime.datetime(2026, 1, 1), "soon", 1j, [1.0], None, Decimal(1), float("nan")]
WAYS = {
    "alone": lambda main: asyncguest.run(main()),
    "fd": lambda main: run_guest(main, drive="fd"),
    "thread": lambda main: run_guest(main, drive="thread"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_deadline_is_refused_and_nothing_kept(way, bad):
    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(60, print)
        with pytest.raises((TypeError, ValueError)):
            loop.call_at(bad, print)
        with pytest.raises((TypeError, ValueError)):
            loop.call_later(bad, print)
        await asyncio.sleep(0.005)
        return "went on"

    assert WAYS[way](main) == "went on"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", (int, float, Fraction))
def test_any_real_number_is_a_deadline(way, number):
    async def main():
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.call_later(60, print)
        loop.call_at(number(0), came.set_result, "came")
        return await came

    assert WAYS[way](main) == "came"
