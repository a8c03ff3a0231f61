"""Repetitions of a request with an idempotency key: answered by the first job, also where no new one may begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sidecar.accept.answer import Answer, replayed_answer
from sidecar.accept.request import AcceptRequest
from sidecar.model.errors import ProblemError
from sidecar.model.job import IdempotencyKey, JobView, KeyTaken
from sidecar.model.outcome import Outcome
from sidecar.model.problems import Problem
from sidecar.model.route import Completion

IN_PROGRESS = Problem(
    409,
    "idempotency_key_in_progress",
    "The first request with this idempotency-key is not answered yet; repeat this one in a second.",
    headers={"retry-after": "1"},
)

Key = tuple[str, str]
"""Scope and text of an idempotency key."""


@dataclass(slots=True)
class Accepted:
    """An answer, and what must follow once it was written or could not be."""

    answer: Answer
    job_id: UUID
    key: Key | None = None
    refusals: Sequence[Outcome] = ()
    silent: bool = False  # a 502: the webhook hears nothing if it was written
    first: bool = True  # False on replays, which have nothing to settle


class Ledger(Protocol):
    """What a repetition needs of the ledger."""

    async def job(self, job_id: UUID) -> JobView | None:
        """Return what is known of a job."""

    def now(self) -> datetime:
        """Tell the database's time."""

    async def key_holder(self, key: IdempotencyKey) -> KeyTaken | None:
        """Tell which job has a key."""


class Replays:
    """Answer repetitions.

    Args:
        ledger: Tells which job has a key, and how far it is.
        undecided: Seconds in which the first request may still be answered 502 by another process, which takes the
            job back.
    """

    def __init__(self, ledger: Ledger, *, undecided: float) -> None:
        self._ledger = ledger
        self._undecided = timedelta(seconds=undecided)
        self._promised: dict[UUID, datetime] = {}

    def promised(self, job_id: UUID) -> None:
        """Hear that a job was answered here, and goes on whatever its services say."""
        now = self._ledger.now()
        self._promised[job_id] = now + self._undecided
        while (oldest := next(iter(self._promised))) != job_id and self._promised[oldest] < now:
            del self._promised[oldest]

    async def answer(self, taken: KeyTaken, key: IdempotencyKey | None, request: AcceptRequest) -> Accepted:
        """Answer for the job that has the key.

        Raises:
            ProblemError: 422 for another request with this key; 409 while the key is about to be free again.
        """
        if key is None or taken.fingerprint != key.fingerprint:
            detail = "This idempotency-key was used with another body, query or callback-url; send a new key."
            raise ProblemError(Problem(422, "idempotency_key_reused", detail))
        view = await self._ledger.job(taken.job_id)
        if view is None:
            detail = "The job of this idempotency-key is no longer kept; send a new key."
            raise ProblemError(Problem(422, "idempotency_key_reused", detail))
        if view.state == "failed" or self._may_be_taken_back(view):  # taken back just now: its key is free again
            raise ProblemError(IN_PROGRESS)
        return Accepted(replayed_answer(view, applied=request.preference.applied), view.job_id, first=False)

    def _may_be_taken_back(self, view: JobView) -> bool:
        """Tell whether all services may yet refuse, for a first caller who waits elsewhere: he would get a 502."""
        young = self._ledger.now() - view.created_at < self._undecided
        silent = all(one.status == "invoking" and one.completion != Completion.RESPONSE for one in view.services)
        return young and silent and view.job_id not in self._promised

    async def only(self, key: IdempotencyKey | None, request: AcceptRequest, *, over: Problem) -> Accepted:
        """Answer a repetition, and refuse anything else with ``over``.

        Raises:
            ProblemError: ``over``; 422 or 409 as :meth:`answer`.
            LedgerUnavailable: Nobody knows whether it is one.
        """
        taken = None if key is None else await self._ledger.key_holder(key)
        if taken is None:
            raise ProblemError(over)
        return await self.answer(taken, key, request)
