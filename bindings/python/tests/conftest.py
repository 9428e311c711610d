"""Every test runs between two looks at the process's state: see `helpers.nothing_left_behind`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import DRIVES, nothing_left_behind


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes longer than a second or two")
    config.addinivalue_line("markers", "leaves_fds: the test leaves fds behind, for a reason that it gives")


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is left behind by any test."""
    with nothing_left_behind(fds=request.node.get_closest_marker("leaves_fds") is None):
        yield


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> str:
    """Both ways in which a guest can wait."""
    return str(request.param)
