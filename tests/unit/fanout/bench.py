"""A fan-out stage on a small ledger of its own, with services that answer as they are told."""

import asyncio
from collections.abc import Sequence
from uuid import UUID
from typing import Any

from sidecar.fanout.stage import Fanout, FanoutLimits
from sidecar.ledger import Registry
from sidecar.model.callback_token import CallbackTokens
from sidecar.model.invocation import Invocation, Release
from sidecar.model.outcome import Fence, Outcome, Recorded, Verdict
from sidecar.outbound.requests import Failure, Reply
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, Lines, make_reply

FENCE = Fence(worker=7, claim=1)


class Ledger:
    def __init__(self) -> None:
        self.registry = Registry()
        self.releases: list[Release] = []
        self.outcomes: list[Outcome] = []
        self.fault: Exception | None = None
        self.acts = True

    def may_act(self, worker: int) -> bool:
        return self.acts and worker == FENCE.worker

    async
