"""What one application may do: requests a second in this process, jobs and bytes over all replicas.

Nothing is written for it. Counts come from the ledger every two seconds, and what this process has taken since is
added. Before a request is refused for a count, it is counted anew, unless that has just been done.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.kit.bucket import TokenBucket
from sidecar.model.errors import LedgerError
from sidecar.model.problems import Problem
from sidecar.model.quota import Limit, Quota, Usage

MAX_APPLICATIONS = 10_000
"""Applications that are remembered; the one that was idle for longest is forgotten first."""

FRESH = 0.25
"""Seconds that a count is good enough to refuse by."""

SHARE = 50
"""A count is not repeated before so many times its own duration: counting takes 2 % of the time at most."""


class Counts(Protocol):
    """What the ledger can count."""

    async def of(self, applications: Sequence[str]) -> Mapping[str, Usage]:
        """Count for these applications; one that has nothing is left out."""


@dataclass(slots=True)
class _Account:
    rate: TokenBucket | None
    replays: TokenBucket | None
    entering: int = 0  # requests that are being taken in
    jobs: int = 0  # as counted last
    stored: int = 0
    new_jobs: int = 0  # taken since that count began
    new_stored: int = 0


class Place:
    """One request that is being taken in."""

    __slots__ = ("_account", "_open")

    def __init__(self, account: _Account) -> None:
        account.entering += 1
        self._account = account
        self._open = True

    def stored(self, size: int) -> None:
        """Count a job with a body of so many bytes in its stead: it is committed."""
        self.leave()
        self._account.new_jobs += 1
        self._account.new_stored += size

    def leave(self) -> None:
        """Count it no longer; leaving twice is leaving once."""
        if self._open:
            self._open = False
            self._account.entering -= 1


class Quotas:
    """Say whether an application may do one thing more.

    Args:
        quota: The limits, the same for each application.
        counts: Where jobs and bytes are counted.
        limited: Told of each refusal.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        quota: Quota,
        *,
        counts: Counts,
        limited: Callable[[Limit], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quota = quota
        self._counts = counts
        self._limited = limited
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._asked = False  # somebody has sent a request since the last count
        self._fresh_until = float("-inf")
        self._counting: asyncio.Event | None = None

    async def run_once(self) -> bool:
        """Count, unless nobody has sent anything since the last time or counting takes too long for that."""
        if self._asked and self._quota.counts and self._clock() >= self._fresh_until:
            await self._count()
        return False

    def over_rate(self, application: str) -> Problem | None:
        """Count one request against the rate; the problem when there are too many."""
        bucket = self._account(application).rate
        return None if bucket is None or bucket.take() else self._refusal(Limit.RATE)

    async def over(self, application: str, size: int) -> Problem | None:
        """Count one request, and tell why its job must not be taken; ``size`` is what its body is said to have."""
        refused = self.over_rate(application)
        if refused is not None or not self._quota.counts:
            return refused
        self._asked = True
        limit = self._reached(application, size)
        if limit is not None and await self._look_again():
            limit = self._reached(application, size)
        return None if limit is None else self._refusal(limit)

    def may_look(self, application: str) -> bool:
        """Tell whether a request over a limit may still ask whether it is a repetition: as often as the rate allows."""
        bucket = self._account(application).replays
        return bucket is None or bucket.take()

    def enter(self, application: str) -> "Place":
        """Begin to take a request in: it counts as a job from now on, until its place is left."""
        return Place(self._account(application))

    def _account(self, application: str) -> _Account:
        account = self._accounts.get(application)
        if account is None:
            rate, clock = self._quota.requests_per_second, self._clock
            buckets = (None, None) if rate is None else (TokenBucket(rate, clock=clock), TokenBucket(rate, clock=clock))
            account = self._accounts[application] = _Account(*buckets)
            if len(self._accounts) > MAX_APPLICATIONS:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(application)
        return account

    def _reached(self, application: str, size: int) -> Limit | None:
        account, quota = self._account(application), self._quota
        jobs = account.jobs + account.new_jobs + account.entering
        if quota.running_jobs is not None and jobs >= quota.running_jobs:
            return Limit.JOBS
        if quota.stored is not None and account.stored + account.new_stored + size > quota.stored:
            return Limit.STORED
        return None

    async def _look_again(self) -> bool:
        """Count if the last count is not fresh; False when nothing new is known."""
        if self._counting is not None:
            await self._counting.wait()
            return True
        if self._clock() < self._fresh_until:
            return False
        try:
            await self._count()
        except LedgerError:
            return False
        return True

    async def _count(self) -> None:
        if self._counting is not None:
            return
        self._counting = counting = asyncio.Event()
        began = self._clock()
        marks = {name: (account.new_jobs, account.new_stored) for name, account in self._accounts.items()}
        self._asked = False
        try:
            counted = await self._counts.of(list(marks))
            for name, mark in marks.items():
                self._settle(name, mark, counted.get(name, Usage(0, 0)))
        except BaseException:
            self._asked = True
            raise
        finally:
            ended = self._clock()
            self._fresh_until = ended + max(FRESH, SHARE * (ended - began))
            self._counting = None
            counting.set()

    def _settle(self, name: str, mark: tuple[int, int], counted: Usage) -> None:
        account = self._accounts.get(name)
        if account is not None:
            account.jobs, account.stored = counted.jobs, counted.stored
            account.new_jobs -= mark[0]  # what was taken meanwhile may be in the count or not: it stays
            account.new_stored -= mark[1]

    def _refusal(self, limit: Limit) -> Problem:
        self._limited(limit)
        rate = self._quota.requests_per_second or 1.0
        seconds = {Limit.RATE: max(1, math.ceil(1 / rate)), Limit.JOBS: 5, Limit.STORED: 30}[limit]
        detail = f"Your application has reached gateway.per_application.{limit}; {_REMEDIES[limit]}"
        return Problem(
            429, "application_limit_exceeded", detail, headers={"retry-after": str(seconds)}, extra={"limit": limit}
        )


_REMEDIES = {
    Limit.RATE: "send fewer requests a second.",
    Limit.JOBS: "repeat this when some of its jobs have ended and their messages were delivered.",
    Limit.STORED: "repeat this when some of its jobs have ended and their messages were delivered.",
}
