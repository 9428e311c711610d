"""Figures of a run. Any thread."""

from __future__ import annotations

from dataclasses import dataclass

from ._native import Reactor


@dataclass(frozen=True)
class Histogram:
    """Durations by powers of two: `counts[i]` of them lasted from 2**i to 2**(i+1) - 1 ns."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def percentile(self, percent: float) -> float:
        """Seconds that `percent` of the durations did not exceed, to the bucket's upper bound; 0.0 if none."""
        rank = self.total * percent / 100
        seen = 0
        for i, count in enumerate(self.counts):
            seen += count
            if count and seen >= rank:
                return float((2 ** (i + 1) - 1) / 1e9)
        return 0.0


@dataclass(frozen=True)
class GuestStats:
    """What a run has done so far. Counters only grow."""

    #: Deliveries, empty ones included.
    batches: int
    #: Events of fds and signals that deliveries have taken up, and times that timers were due.
    events: int
    #: Tokens posted to the host, without repetitions.
    tokens: int
    #: Tokens posted again because they were not delivered in time or could not be posted.
    reposts: int
    #: Posts that the host refused.
    post_failures: int
    #: Deliveries refused because their token was old, doubled or foreign.
    stale_tokens: int
    #: Deliveries refused because the host ran them inside its own post.
    inlined_tokens: int
    #: Deliveries that ended because their time was over.
    budget_spent: int
    #: Deliveries inside a nested host loop.
    nested: int
    #: Looks at the system's poller on the host thread.
    polls: int
    #: Stalls noticed.
    stalls: int
    #: Wake-ups of the library's thread.
    io_wakeups: int
    #: What is watched at this moment.
    live_sources: int
    #: From posting a token to its delivery.
    delivery_latency: Histogram
    #: How long deliveries lasted.
    delivery_duration: Histogram

    @classmethod
    def of(cls, reactor: Reactor, budget_spent: int) -> GuestStats:
        """The figures of one reactor. `budget_spent` is counted by the package: asyncio's queue has its own budget."""
        figures = reactor.stats()
        for name in ("delivery_latency", "delivery_duration"):
            figures[name] = Histogram(figures[name])
        return cls(**figures, budget_spent=budget_spent)
