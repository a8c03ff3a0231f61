from base64 import b64decode
from hashlib import sha256
from typing import Any

import orjson
import pytest

from sidecar.model.delivery import Part, message_id
from sidecar.model.messages import PROBLEM_HEADERS, aggregate_body, error_body, error_outcome
from sidecar.model.outcome import Fence, MessageKind, OutcomeKind, ResultStatus
from sidecar.model.reasons import InvocationReason
from tests.unit.builders import JOB, NOW


def part(headers: bytes, body: bytes, service: str = "billing") -> Part:
    return Part(service, "result", ResultStatus.SUCCEEDED, MessageKind.DIRECT, None, headers, body, NOW)


def rendered(*parts: Part) -> dict[str, Any]:
    raw = aggregate_body(job_id=JOB, correlation_id="c-1", status="partial", parts=parts)
    document: dict[str, Any] = orjson.loads(raw)
    return document


def only(headers: bytes, body: bytes) -> dict[str, Any]:
    (entry,) = rendered(part(headers, body))["results"]
    assert entry["sha256"] == sha256(body).hexdigest()
    assert isinstance(entry, dict)
    return entry


@pytest.mark.parametrize("reason", list(InvocationReason))
def test_every_reason_has_words_for_the_webhook(reason: InvocationReason) -> None:
    body = error_body(job_id=JOB, correlation_id="c-1", service="billing", reason=reason, status_code=503)
    document = orjson.loads(body)
    assert document["code"] == f"service_{reason}"
    assert document["type"].endswith(document["code"])
    assert (document["service"], document["reason"], document["service_status"]) == ("billing", reason, 503)
    assert (document["job_id"], document["correlation_id"]) == (str(JOB), "c-1")
    assert document["detail"].endswith(".")


def test_an_end_without_result_is_a_failure_with_a_problem_document() -> None:
    end = error_outcome(
        job_id=JOB,
        correlation_id="c-1",
        service="billing",
        outcome=OutcomeKind.DEADLINE,
        reason=InvocationReason.DEADLINE,
        status_code=None,
        fence=Fence(7, 1),
    )
    assert (end.status, end.kind, end.headers) == (ResultStatus.FAILED, MessageKind.ERROR, PROBLEM_HEADERS)
    assert (end.outcome, end.reason, end.status_code, end.fence) == (
        OutcomeKind.DEADLINE,
        InvocationReason.DEADLINE,
        None,
        Fence(7, 1),
    )
    assert orjson.loads(end.body)["service_status"] is None


def test_an_aggregate_lists_its_parts_in_the_order_given() -> None:
    document = rendered(part(b"", b"", "stock"), part(b"", b"", "billing"))
    assert {key: document[key] for key in ("type", "job_id", "correlation_id", "status")} == {
        "type": "aggregate_result",
        "job_id": str(JOB),
        "correlation_id": "c-1",
        "status": "partial",
    }
    assert [entry["service"] for entry in document["results"]] == ["stock", "billing"]


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        (b"content-type: application/json", b'{"a": 1}', "body"),
        (b"Content-Type: Application/JSON; charset=utf-8", b"[]", "body"),
        (b"content-type: application/hal+json", b"null", "body"),
        (b"content-type: application/problem+json", b'{"title": "no"}', "problem"),
    ],
)
def test_json_travels_as_json(headers: bytes, body: bytes, name: str) -> None:
    entry = only(headers, body)
    assert entry[name] == orjson.loads(body)
    assert len({"body", "problem", "body_base64"} & set(entry)) == 1


def test_json_keeps_its_digits() -> None:
    body = b'{"amount":12345678901234567890.10,"big":123456789012345678901234567890}'
    raw = aggregate_body(
        job_id=JOB, correlation_id="c", status="succeeded", parts=[part(b"content-type: application/json", body)]
    )
    assert b'"body":' + body in raw


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"content-type: text/csv", b"a;b"),
        (b"content-type: application/json", b""),
        (b"content-type: application/json", b"{broken"),
        (b"content-type: application/json", b'{"a": "\xff"}'),
        (b"content-type: application/json", b'"\\ud800"'),
        (b"content-type: application/json", b'{"a": 1}, "status": "succeeded"'),
        (b"content-type: application/json\r\ncontent-encoding: gzip", b"\x1f\x8b"),
        (b"content-type: application/problem+json\r\ncontent-encoding: br", b"{}"),
        (b"", b"\x00\xff"),
    ],
)
def test_everything_else_travels_as_the_bytes_it_is(headers: bytes, body: bytes) -> None:
    entry = only(headers, body)
    assert b64decode(entry["body_base64"], validate=True) == body
    assert not {"body", "problem"} & set(entry)


def test_the_content_encoding_is_told() -> None:
    assert only(b"content-type: text/csv\r\ncontent-encoding: gzip", b"x")["content_encoding"] == "gzip"
    assert "content_encoding" not in only(b"content-type: text/csv", b"x")
    assert only(b"", b"x")["content_type"] == "application/octet-stream"


def test_the_message_id_names_job_service_and_status() -> None:
    assert message_id(JOB, "billing", "failed") == f"{JOB}:billing:failed"
    assert message_id(JOB, "", "partial") == f"{JOB}:all:partial"
