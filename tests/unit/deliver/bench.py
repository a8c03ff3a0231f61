"""The delivering stage between a ledger, an object store and webhooks of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sidecar.deliver.content import Contents, Message, UploadsBusy
from sidecar.deliver.decide import SilenceRule
from sidecar.deliver.exchange import Exchange, Send, Users
from sidecar.deliver.health import EndpointHealth
from sidecar.deliver.stage import Deliver, DeliverLimits
from sidecar.model.backoff import RetryPolicy
from sidecar.model.delivery import DeliveryEnd, Part
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.handed import Handed
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.retry import EndpointState, RetryEnd, RetryState
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadUnavailable
from sidecar.outbound.requests import Failure, Reply
from sidecar.outbound.service_users import ServiceUsers
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, Lines, make_reply, make_stored

JSON = b"content-type: application/json"


class Ledger:
    """Keeps the ends of first attempts and of retries, in order."""

    def __init__(self) -> None:
        self.ends: list[DeliveryEnd] = []
        self.retried: list[RetryEnd] = []
        self.fault: Exception | None = None
        self.readable = True
        self.acts = True
        self.rows = [Part("billing", "result", ResultStatus.SUCCEEDED, MessageKind.DIRECT, None, JSON, b"[1]", NOW)]

    def may_act(self, worker: int) -> bool:
        return self.acts and worker == 7

    async def finish(self, end: DeliveryEnd) -> bool:
        if self.fault is not None:
            raise self.fault
        self.ends.append(end)
        return True

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        assert job_id == JOB
        if self.fault is not None or not self.readable:
            raise self.fault or LedgerUnavailable
        return self.rows


class Retries:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def finish(self, end: RetryEnd) -> RetryState | None:
        if self._ledger.fault is not None:
            raise self._ledger.fault
        self._ledger.retried.append(end)
        return RetryState.PENDING


class Store:
    """An object store that signs and keeps, until it is away."""

    def __init__(self) -> None:
        self.away = False
        self.busy = False
        self.kept: list[Message | Part] = []
        self.handed = Handed(url="https://caller.example/put", etag="e-9")
        self.put: list[Message] = []
        self.bodies: dict[str, bytes] = {}

    def _there(self) -> None:
        if self.away:
            raise OffloadUnavailable("away")

    async def link(self, stored: StoredObject) -> Mapping[str, str]:
        self._there()
        return {"url": f"https://store.example/{stored.key}?signed", "expires_at": NOW.isoformat()}

    async def keep(self, message: Message, part: Part | None = None) -> StoredObject:
        self._there()
        self.kept.append(message if part is None else part)
        return make_stored(message.body if part is None else part.body)

    async def read(self, stored: StoredObject) -> bytes:
        self._there()
        return self.bodies[stored.key]

    async def hand_over(self, stored: StoredObject, message: Message) -> Handed:  # noqa: ARG002 - a protocol
        self._there()
        if self.busy:
            raise UploadsBusy("busy")
        self.put.append(message)
        return self.handed

    async def hand_over_aggregate(self, message: Message, parts: Sequence[Part]) -> Handed:
        self._there()
        self.put.append(message)
        self.whole = list(parts)
        return self.handed


class Endpoints:
    """The circuits as the ledger keeps them; every write is noted."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []
        self.states: list[EndpointState] = []
        self.leases = True
        self.fault: Exception | None = None

    def _write(self, *what: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.written.append(what)

    async def away(self) -> Sequence[EndpointState]:
        return self.states

    async def open(self, endpoint: str, *, seconds: float, reason: str) -> int | None:
        self._write("open", endpoint, seconds, reason)
        return 1

    async def pause(self, endpoint: str, *, seconds: float, reason: str) -> bool:
        self._write("pause", endpoint, seconds, reason)
        return True

    async def probe(self, endpoint: str, *, seconds: float) -> bool:
        self._write("probe", endpoint, seconds)
        return self.leases

    async def close(self, endpoint: str) -> bool:
        self._write("close", endpoint)
        return True


class Unguarded:
    """Lets everything through."""

    resolver_away = False

    async def send(self, send: Send, /, **request: Any) -> Reply | Failure:
        return await send(**request)


class Unsigned:
    """Signs nothing."""

    async def header(self, url: str, **of: Any) -> None:
        assert url
        assert of


class Bench:
    """Answers are given in order, then 204; everything that was sent and committed is kept."""

    def __init__(
        self,
        *answers: Reply | Failure | Exception,
        per_endpoint: int = 2,
        store: Store | None = None,
        users: Users | None = None,
    ) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []
        self.gate: asyncio.Event | None = None
        self.ledger, self.lines, self.endpoints = Ledger(), Lines(), Endpoints()
        self.users = users or ServiceUsers()
        self.metrics, self.guard = Metrics(), Unguarded()
        exchange = Exchange(
            send=self._send,
            guard=self.guard,
            signatures=Unsigned(),
            users=self.users,
            may_act=self.ledger.may_act,
            silence=SilenceRule(),
            timeout=30.0,
            longest_wait=43_200.0,
            label_of=lambda _: "other",
            log=self.lines.log,
            metrics=self.metrics,
        )
        self.deliver = Deliver(
            ledger=self.ledger,
            retries=Retries(self.ledger),
            exchange=exchange,
            users=self.users,
            contents=Contents(parts=self.ledger, store=store, shapes=Shapes(Shape(1024)), inline_small=True),
            health=EndpointHealth(self.endpoints, full_speed=per_endpoint, probe_lease=45.0),
            policy=RetryPolicy(),
            limits=DeliverLimits(per_endpoint=per_endpoint, total=9, queue=2),
            log=self.lines.log,
            metrics=self.metrics,
        )

    async def _send(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Reply | Failure:
        self.sent.append({"url": url, "headers": dict(headers), "body": body, "timeout": timeout})
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else make_reply(204)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def handle(self, *work: Message) -> None:
        self.deliver.start(work)
        await self.deliver.lanes.drain(10)
        assert self.deliver.lanes._failure is None  # nothing that a webhook does may end the process
