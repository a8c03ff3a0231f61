"""Callers who wait to hear which services took their job."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sidecar.accept.answer import ServiceAnswer
from sidecar.kit.time_limit import TimeLimits
from sidecar.model.outcome import Outcome
from sidecar.model.route import ServiceCall


@dataclass(slots=True)
class Wait:
    """What one caller has heard so far."""

    open: set[str]
    took: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, Outcome] = field(default_factory=dict)
    done: asyncio.Future[None] | None = None


class WaitingCallers:
    """The callers of this process that wait, by job.

    A refusal that arrives while its caller waits stays in memory and is the caller's to commit: either all of them
    silently with a 502, or each as an error message to the webhook.
    """

    def __init__(self) -> None:
        self._waits: dict[UUID, Wait] = {}
        self._limits = TimeLimits()

    def begin(self, job_id: UUID, services: Iterable[str]) -> Wait:
        """Begin to listen, before the work is handed over."""
        wait = self._waits[job_id] = Wait(open=set(services))
        return wait

    async def until_heard(self, job_id: UUID, seconds: float) -> None:
        """Return when every service has answered, or after ``seconds``."""
        wait = self._waits[job_id]
        if not wait.open or seconds <= 0:
            return
        wait.done = asyncio.get_running_loop().create_future()
        try:
            with self._limits.within(seconds):
                await wait.done
        except TimeoutError:
            pass

    def end(self, job_id: UUID) -> Wait:
        """Stop listening; from now on refusals are not this caller's to commit."""
        return self._waits.pop(job_id)

    def took(self, job_id: UUID, service: str, status: int) -> None:
        """Hear that a service took the call."""
        wait = self._waits.get(job_id)
        if wait is not None:
            wait.took[service] = status
            self._heard(wait, service)

    def refused(self, outcome: Outcome) -> bool:
        """Hear that a service refused; true when a caller waits and will commit it."""
        wait = self._waits.get(outcome.job_id)
        if wait is None or outcome.service not in wait.open:
            return False
        wait.refusals[outcome.service] = outcome
        self._heard(wait, outcome.service)
        return True

    @staticmethod
    def _heard(wait: Wait, service: str) -> None:
        wait.open.discard(service)
        if not wait.open and wait.done is not None:
            _resolve(wait.done)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def service_answer(call: ServiceCall, wait: Wait) -> ServiceAnswer:
    """Tell what the caller has heard of one service."""
    if call.service in wait.took:
        return ServiceAnswer(call.service, "invoked", wait.took[call.service])
    if call.service in wait.refusals:
        return ServiceAnswer(call.service, "refused", wait.refusals[call.service].status_code)
    return ServiceAnswer(call.service, "accepted")
