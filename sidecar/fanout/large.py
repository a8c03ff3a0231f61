"""Large bodies around one call: a request that is read from the store, a response that is stored as it comes."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol
from uuid import UUID

from sidecar.fanout.decide import Answered, Decision
from sidecar.model.delivery import Part
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation
from sidecar.model.outcome import Outcome, Recorded, Verdict
from sidecar.model.shape import Style
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadError, OffloadUnavailable
from sidecar.offload.upload import Upload
from sidecar.outbound.requests import Failure, Reply

PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses whose body is no result, whatever its size."""

SILENT = 1.0
"""Seconds that the store gives nothing, after which it is the one who held up a call that fails just then."""


class Parts(Protocol):
    """What has to be known before an object is removed."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return the outcomes of a job."""


class RequestBody:
    """A stored request body, as it was before it was stored; it may be read once for each attempt.

    Its last piece is given only after all of it was checked, so that no service takes a damaged body for a whole one.
    While the store is awaited, the service therefore has not seen all of it.
    """

    def __init__(self, bodies: Bodies, stored: StoredObject, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = stored.size
        self._bodies = bodies
        self._stored = stored
        self._clock = clock
        self._error: OffloadError | None = None
        self._waits_since: float | None = None  # for the store; it stays when the call is broken off meanwhile

    @property
    def error(self) -> OffloadError | None:
        """Why the store did not give it, also when it was still silent as the call ended."""
        if self._error is None and self._waits_since is not None and self._clock() - self._waits_since >= SILENT:
            return OffloadUnavailable("the store did not give the stored request in time")
        return self._error

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body.

        Raises:
            OffloadError: The store is away, or the object is not what it was.
        """
        held = b""
        self._waits_since = self._clock()
        try:
            async with aclosing(self._bodies.store.read(self._stored)) as pieces:
                async for piece in pieces:
                    self._waits_since = None
                    if held:
                        yield held
                    held = piece
                    self._waits_since = self._clock()
        except OffloadError as error:
            self._error = error
            raise
        self._waits_since = None
        if held:
            yield held


class LargeCalls:
    """What calls need of the object store.

    Args:
        bodies: Where bodies lie and go.
        parts: What stands in the ledger.
        threshold: Largest response in bytes that stays in memory.
        link_name: Names what is behind a call's result-upload-url, after the token of its callback address.
        style_for: Tells how an object is marked that is stored for a webhook, by its callback-url.
    """

    def __init__(
        self,
        bodies: Bodies,
        parts: Parts,
        *,
        threshold: int,
        link_name: Callable[[str], str],
        style_for: Callable[[str], Style | None] = lambda _: None,
    ) -> None:
        self.threshold = threshold
        self._bodies = bodies
        self._parts = parts
        self._link_name = link_name
        self._style_for = style_for

    def request(self, stored: bytes) -> RequestBody:
        """Read a request body."""
        return RequestBody(self._bodies, StoredObject.load(stored))

    def response(
        self, invocation: Invocation
    ) -> Callable[[int, Sequence[tuple[bytes, bytes]]], Awaitable[Upload | None]]:
        """Tell where a large response goes; nowhere, when it is no result."""

        async def begin(status: int, headers: Sequence[tuple[bytes, bytes]]) -> Upload | None:
            if status in PASSING:
                return None
            service = invocation.call.service
            style = self._style_for(invocation.callback_url)
            return self._bodies.open(invocation.job_id, service, headers=headers, route=invocation.route, style=style)

        return begin

    async def upload_link(self, invocation: Invocation, token: str) -> str:
        """Sign a link by which a service may upload its result.

        Raises:
            OffloadError: There is nothing to sign it with.
        """
        bucket, key = self._bodies.offered(
            invocation.job_id, invocation.call.service, random=self._link_name(token), route=invocation.route
        )
        return (await self._bodies.store.presign_put(key, bucket=bucket)).url

    async def drop_unwanted(self, answer: Reply | Failure, decision: Decision) -> None:
        """Remove a stored response that is no result."""
        if isinstance(answer, Reply) and answer.stored is not None and not isinstance(decision, Answered):
            await self._bodies.drop(answer.stored)

    async def drop_loser(self, outcome: Outcome, recorded: Recorded) -> None:
        """Remove a response that no outcome names; one that may be named stays."""
        if outcome.stored is None or recorded.verdict is Verdict.WON:
            return
        if recorded.verdict is Verdict.SAME:
            # The outcome that stands may be this one: its first commit happened, and only the answer was lost.
            try:
                parts = await self._parts.parts(outcome.job_id)
            except LedgerError:
                return
            if any(part.service == outcome.service and part.stored == outcome.stored for part in parts):
                return
        await self._bodies.drop(StoredObject.load(outcome.stored))
