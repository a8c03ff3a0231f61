"""Look names up: in threads of our own, for a bounded time, and with answers that are kept briefly.

Strangers choose the names. The loop's own look-ups share a few threads with everything else (with uvloop four in all),
so that a handful of slow names would hold up the database's and the services' connections too.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import islice
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.model.egress import Address

FRESH: Final = 30.0  # seconds that an answer counts; the system's resolver does not tell its own
FAILED: Final = 3.0  # seconds that a failure counts
STALE: Final = 600.0  # seconds that an old answer stands in while no new one comes
THREADS: Final = 32  # look-ups at once; one can take half a minute
WAITING: Final = 512  # look-ups that are begun or wait for a thread
KNOWN: Final = 8192  # names that are remembered
MOST: Final = 64  # addresses of one name; the others are neither judged nor dialled

Lookup = Callable[[str], Sequence[str]]
"""Blocks; returns addresses, or raises ``OSError``."""


class UnknownName(OSError):  # noqa: N818 - named for what it says
    """A name that has no address, or of which nobody could tell one in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look-up brought; no addresses: it failed. Times are the clock's: of the look-up, and of the next one.

    Not ``sure``: nobody answered, so that nothing was learned of the name; an older answer may stand in.
    """

    addresses: tuple[Address, ...]
    at: float
    until: float
    sure: bool = True


class Names:
    """Answers about names.

    Args:
        lookup: Asks the system, in a thread.
        fresh: Seconds that an answer counts.
        clock: Monotonic seconds.
    """

    def __init__(
        self, lookup: Lookup | None = None, *, fresh: float = FRESH, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lookup = lookup or system_lookup
        self._fresh = fresh
        self._clock = clock
        self._answers: dict[str, Answer] = {}
        self._under_way: dict[str, tuple[asyncio.Task[Answer], float]] = {}
        self._threads = asyncio.Semaphore(THREADS)

    async def stop(self) -> None:
        """Forget the look-ups under way; their threads end by themselves, and hold up no exit."""
        tasks = [task for task, _ in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def known(self, host: str) -> Answer | None:
        """Return an answer that still counts, if there is one."""
        answer = self._answers.get(host)
        return answer if answer is not None and self._clock() < answer.until else None

    async def find(self, host: str, *, within: float) -> Answer:
        """Return the answer about a name, waiting at most until ``within`` seconds after its look-up began.

        An older answer stands in for one that does not come in time, and for a failure that passes.
        """
        answer = self.known(host)
        if answer is not None:
            return answer
        if host not in self._under_way:
            if len(self._under_way) >= WAITING:
                return self._standing_in(host)
            self._under_way[host] = (asyncio.get_running_loop().create_task(self._ask(host)), self._clock())
        task, began = self._under_way[host]
        # Others wait for the same one: it is not cancelled.
        done, _ = await asyncio.wait([task], timeout=max(0.0, began + within - self._clock()))
        return task.result() if done and not task.cancelled() else self._standing_in(host)

    def _standing_in(self, host: str) -> Answer:
        old, now = self._answers.get(host), self._clock()
        if old is not None and old.addresses and now - old.at < STALE:
            return replace(old, sure=False)
        return Answer((), now, now, sure=False)

    async def _ask(self, host: str) -> Answer:
        try:
            async with self._threads:
                addresses = await self._in_a_thread(host)
            now = self._clock()
            if addresses is None:  # nothing was learned: what was known counts a little longer
                answer = replace(self._standing_in(host), until=now + min(FAILED, self._fresh))
            else:
                answer = Answer(addresses, now, now + (self._fresh if addresses else min(FAILED, self._fresh)))
            self._keep(host, answer)
            return answer
        finally:
            del self._under_way[host]

    def _keep(self, host: str, answer: Answer) -> None:
        self._answers.pop(host, None)
        self._answers[host] = answer
        while len(self._answers) > KNOWN:
            del self._answers[next(iter(self._answers))]  # the oldest

    async def _in_a_thread(self, host: str) -> tuple[Address, ...] | None:
        """Ask in a thread that dies with the process: an executor's would be waited for at the exit."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Address, ...] | None] = loop.create_future()

        def settle(addresses: tuple[Address, ...] | None) -> None:
            if not future.done():
                future.set_result(addresses)

        def run() -> None:
            addresses = self._look(host)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, addresses)

        threading.Thread(target=run, name="dns", daemon=True).start()
        return await future

    def _look(self, host: str) -> tuple[Address, ...] | None:
        """Return the addresses, none for a name that has none, and ``None`` for a failure that passes."""
        try:
            texts = dict.fromkeys(text.partition("%")[0] for text in self._lookup(host))
            return tuple(ip_address(text) for text in islice(texts, MOST))
        except socket.gaierror as error:
            return None if error.errno == socket.EAI_AGAIN else ()
        except (OSError, ValueError):  # a UnicodeError among them, for labels that no name has
            return ()


class NamesResolver(AbstractResolver):
    """The same answers for aiohttp's connector, which must not keep them a second time (``use_dns_cache=False``)."""

    def __init__(self, names: Names, *, within: float) -> None:
        self._names = names
        self._within = within
        self._turn = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a name's addresses, beginning with another one each time.

        Raises:
            UnknownName: It has none, or nobody can tell in time.
        """
        addresses = (await self._names.find(host, within=self._within)).addresses
        if not addresses:
            raise UnknownName(None, "the name cannot be resolved")
        self._turn += 1
        first = self._turn % len(addresses)
        found = [_result(host, address, port) for address in addresses[first:] + addresses[:first]]
        return [result for result in found if family in {socket.AF_UNSPEC, result["family"]}]

    async def close(self) -> None:
        """Do nothing: the names are stopped by whoever made them."""


def system_lookup(host: str) -> list[str]:
    """Ask the system's resolver: hosts file, search domains, name servers."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _result(host: str, address: Address, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=str(address),
        port=port,
        family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004 - IP's versions
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
