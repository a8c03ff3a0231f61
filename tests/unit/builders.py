"""Small values for unit tests: each builder gives something usual, with what matters replaced."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from sidecar.accept.identity import Caller
from sidecar.accept.request import AcceptRequest
from sidecar.ledger import OpenInvocation
from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation
from sidecar.model.job import DeliveryView, JobView, ServiceView
from sidecar.model.messages import error_outcome
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.prefer import Preference
from sidecar.model.reasons import InvocationReason
from sidecar.model.retry import Retry
from sidecar.model.route import Gather, ServiceCall
from sidecar.model.sealing import Seals
from sidecar.model.stored import StoredObject
from sidecar.outbound.requests import Reply
from sidecar.settings.route_compile import Route
from sidecar.settings.route_table import Match
from sidecar.telemetry.log import EventLog, make_log

JOB = UUID("01900000-0000-7000-8000-000000000001")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEALS = Seals([b"k" * 32], names=["authorization", "cookie", "x-api-key"])
WEBHOOK = "https://hooks.example/crm/1.0/results"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class Lines:
    """An event log, and what was written to it."""

    def __init__(self) -> None:
        self._stream = io.BytesIO()
        self.log: EventLog = make_log("json", "debug", self._stream)

    def events(self) -> list[dict[str, Any]]:
        self.log.flush()
        return [orjson.loads(line) for line in self._stream.getvalue().splitlines()]

    def names(self) -> list[str]:
        return [line["event"] for line in self.events()]


def make_call(**over: Any) -> ServiceCall:
    call = ServiceCall(service="billing", service_key="http://billing:9000", url="http://billing:9000/reports")
    return replace(call, **over)


def make_invocation(*, call: ServiceCall | None = None, **over: Any) -> Invocation:
    invocation = Invocation(
        job_id=JOB,
        worker=7,
        claim=1,
        call=call or make_call(),
        attempts=0,
        unsure=False,
        method="POST",
        headers=b"content-type: application/json",
        body=b"{}",
        callback_url=WEBHOOK,
        correlation_id="c-1",
        route="/orders",
        traceparent=TRACE,
        deadline_at=NOW + timedelta(hours=1),
    )
    return replace(invocation, **over)


def make_delivery(**over: Any) -> Delivery:
    delivery = Delivery(
        job_id=JOB,
        service="billing",
        worker=7,
        claim=1,
        kind=MessageKind.DIRECT,
        status=ResultStatus.SUCCEEDED,
        endpoint="https://hooks.example:443/crm/1.0",
        attempts=0,
        callback_url=WEBHOOK,
        correlation_id="c-1",
        route="/orders",
        traceparent=TRACE,
        services_total=1,
        headers=b"content-type: application/json",
        body=b'{"total": 1}',
    )
    return replace(delivery, **over)


def make_retry(**over: Any) -> Retry:
    retry = Retry(
        job_id=JOB,
        service="billing",
        worker=7,
        claim=1,
        kind=MessageKind.DIRECT,
        status=ResultStatus.SUCCEEDED,
        endpoint="https://hooks.example:443/crm/1.0",
        attempts=1,
        retry_count=0,
        first_failed_at=NOW,
        last_status=503,
        last_reason="status_503",
        callback_url=WEBHOOK,
        correlation_id="c-1",
        route="/orders",
        traceparent=TRACE,
        services_total=1,
        message_id=f"{JOB}:billing:succeeded",
        headers=b"content-type: application/json",
        body=b'{"total": 1}',
        stored=None,
        upload_url=None,
        links_base="https://gw.example/orders/1.0",
    )
    return replace(retry, **over)


def make_stored(body: bytes = b'{"total": 1}', **over: Any) -> StoredObject:
    digest = sha256(body).digest()
    stored = StoredObject(
        bucket="results",
        key=f"{JOB}/billing",
        size=len(body),
        sha256=digest,
        stored_size=len(body),
        stored_sha256=digest,
        coding=None,
        etag="e-1",
    )
    return replace(stored, **over)


def make_reply(status: int = 202, *, body: bytes = b"", **headers: str) -> Reply:
    pairs = tuple((name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items())
    return Reply(status, pairs, body)


def make_result(**over: Any) -> Outcome:
    outcome = Outcome(
        job_id=JOB,
        service="billing",
        outcome=OutcomeKind.RESULT,
        status=ResultStatus.SUCCEEDED,
        kind=MessageKind.DIRECT,
        headers=b"content-type: application/json",
        body=b"{}",
    )
    return replace(outcome, **over)


def make_refusal(service: str = "billing", **over: Any) -> Outcome:
    refusal = error_outcome(
        job_id=JOB,
        correlation_id="c-1",
        service=service,
        outcome=OutcomeKind.REFUSED,
        reason=InvocationReason.REFUSED,
        status_code=409,
    )
    return replace(refusal, **over)


def make_request(**over: Any) -> AcceptRequest:
    request = AcceptRequest(
        callback=parse_webhook_url(WEBHOOK),
        correlation_id="c-1",
        caller=Caller(application="shop", context="/orders/1.0"),
        preference=Preference(wait=5.0, applied=None),
        idempotency_key=None,
        traceparent=TRACE,
        headers=b"content-type: application/json",
    )
    return replace(request, **over)


def make_match(*calls: ServiceCall, gather: Gather = Gather.EACH) -> Match:
    route = Route(path="/orders", methods=("POST",), gather=gather, deadline=60.0, accepts=(), max_body=None)
    return Match(route, calls or (make_call(),))


def make_service_view(**over: Any) -> ServiceView:
    view = ServiceView(
        service="billing",
        completion="callback",
        status="invoked",
        status_code=202,
        reason=None,
        attempts=1,
        finished_at=None,
    )
    return replace(view, **over)


def make_delivery_view(**over: Any) -> DeliveryView:
    view = DeliveryView(
        message_id=f"{JOB}:billing:succeeded",
        service="billing",
        kind="direct",
        status="succeeded",
        state="delivered",
        attempts=1,
        status_code=204,
        reason=None,
        finished_at=NOW,
    )
    return replace(view, **over)


def make_job_view(**over: Any) -> JobView:
    view = JobView(
        job_id=JOB,
        correlation_id="c-1",
        application="shop",
        route="/orders",
        endpoint="https://hooks.example:443/crm/1.0",
        state="open",
        links_base="https://gw.example/orders/1.0",
        created_at=NOW,
        deadline_at=NOW + timedelta(hours=1),
        services=(make_service_view(),),
        deliveries=(),
    )
    return replace(view, **over)


def make_open_invocation(**over: Any) -> OpenInvocation:
    row = OpenInvocation(
        job_id=JOB,
        service="billing",
        call=make_call(),
        attempts=1,
        started=True,
        unsure=False,
        acknowledged=True,
        last_status=202,
        last_reason=None,
        deadline_at=NOW,
        correlation_id="c-1",
        route="/orders",
    )
    return replace(row, **over)
