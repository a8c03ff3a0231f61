"""What services and webhooks are sent, and that it is what callers and services sent, byte for byte."""

import asyncio
import gzip
from base64 import b64decode
from hashlib import sha256

import pytest

from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.waiting import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}

BODIES = {
    "gzip": ({"content-type": "application/json", "content-encoding": "gzip"}, gzip.compress(b'{"a": 1}' * 500)),
    "a charset": ({"content-type": 'application/vnd.corp+xml; charset="ISO-8859-1"'}, "<ä/>".encode("latin-1")),
    "a file": (
        {"content-type": "application/pdf", "content-disposition": 'attachment; filename="r\u00e9sum\u00e9.pdf"'},
        bytes(range(256)) * 300,
    ),
    "a language": ({"content-type": "text/plain", "content-language": "de-CH"}, b"Gr\xc3\xbcezi\r\n\r\n\x00"),
    "JSON with digits that floats lose": (JSON, b'{ "n": 1.10000000000000000001e400 ,"n":2}\n'),
    "nothing": ({"content-type": "text/csv"}, b""),
    "no type": ({}, b"\x00\xff"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_bodies_pass_byte_for_byte_on_every_leg(what: str, flow: Flow) -> None:
    headers, body = BODIES[what]
    services = flow.world.services
    services.behaviours |= {
        "billing": services.calls_back(lambda call: call.body, headers),
        "stock": services.responds(lambda call: call.body, headers=headers),
        "risk": services.answers(202),
    }
    job = await flow.accepted("/each", body, **headers)
    for name in ("billing", "stock"):
        (call,) = services.called(name)
        message = await flow.message(job, name)
        for leg in (call, message):
            assert leg.body == body
            assert {key: leg.headers.get(key) for key in headers} == headers
            assert ("content-encoding" in leg.headers) == ("content-encoding" in headers)
        assert ("content-type" in message.headers) == (name == "stock" or "content-type" in headers)
        result = await flow.ask(f"/_jobs/{job}/results/{name}")
        assert (result.status, result.body) == (200, body)
        assert {key: result.headers.get(key) for key in headers} == headers


async def test_each_service_has_a_message_of_its_own_and_a_refusal_is_one_too(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours = {
        "billing": services.calls_back(lambda _: b'{"total": 7}', JSON),
        "stock": services.responds(lambda _: b"in stock", headers={"content-type": "text/plain"}),
        "risk": services.answers(409),
    }
    answer = await flow.submit("/each")
    job = answer.headers["x-job-id"]
    assert answer.json["status"] == "accepted"  # stock answers with its result, however quick
    assert {entry["service"]: entry for entry in answer.json["services"]} == {
        "billing": {"service": "billing", "status": "invoked", "status_code": 202},
        "stock": {"service": "stock", "status": "accepted"},
        "risk": {"service": "risk", "status": "refused", "status_code": 409},
    }
    billing, stock, risk = [await flow.message(job, name) for name in ("billing", "stock", "risk")]
    assert (billing.kind, billing.status, billing.body) == ("direct", "succeeded", b'{"total": 7}')
    assert (stock.kind, stock.status, stock.body) == ("direct", "succeeded", b"in stock")
    assert (risk.kind, risk.status, risk.id) == ("error", "failed", f"{job}:risk:failed")
    assert risk.headers["content-type"] == "application/problem+json"
    assert (risk.json["service"], risk.json["reason"], risk.json["service_status"]) == ("risk", "refused", 409)
    for message in (billing, stock, risk):
        assert message.path == "/crm/1.0/results"
        assert message.id == f"{job}:{message.service}:{message.status}"
        assert (message.headers["x-attempt"], message.headers["x-services-total"]) == ("1", "3")
        assert message.headers["webhook-timestamp"].isdigit()


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"x-result-status": "failed", **JSON}, b'{"why": "no credit"}'), (PROBLEM, b'{"title": "No credit"}')],
)
async def test_a_failure_that_a_service_reports_passes_as_it_is(
    headers: dict[str, str], body: bytes, flow: Flow
) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.calls_back(lambda _: body, headers)
    message = await flow.message(await flow.accepted("/one"), "billing")
    assert (message.kind, message.status, message.body) == ("error", "failed", body)
    assert message.headers["content-type"] == headers["content-type"]


@pytest.mark.parametrize(("state", "status"), [("broken", "failed"), ("fine", "succeeded")])
async def test_a_route_can_tell_failures_of_a_service_that_cannot(state: str, status: str, flow: Flow) -> None:
    body = f'{{"state": "{state}"}}'.encode()
    flow.world.services.behaviours["billing"] = flow.world.services.calls_back(lambda _: body, JSON)
    message = await flow.message(await flow.accepted("/pointed"), "billing")
    assert (message.status, message.body) == (status, body)


async def test_an_aggregate_carries_every_part_as_it_was(flow: Flow) -> None:
    services, zipped = flow.world.services, gzip.compress(b"zipped")
    services.behaviours = {
        "billing": services.calls_back(lambda _: b'{"n": 1.10000000000000000001}', JSON),
        "stock": services.responds(lambda _: zipped, headers={"content-type": "a/b", "content-encoding": "gzip"}),
    }
    job = await flow.accepted("/all")
    message = await flow.message(job)
    assert (message.id, message.kind, message.status) == (f"{job}:all:succeeded", "aggregate", "succeeded")
    assert b'"body":{"n": 1.10000000000000000001}' in message.body
    document = message.json
    assert (document["type"], document["job_id"], document["status"]) == ("aggregate_result", job, "succeeded")
    results = document["results"]
    assert isinstance(results, list)
    parts = {part["service"]: part for part in results}
    assert parts["billing"]["sha256"] == sha256(b'{"n": 1.10000000000000000001}').hexdigest()
    assert (parts["stock"]["content_encoding"], parts["stock"]["content_type"]) == ("gzip", "a/b")
    assert b64decode(parts["stock"]["body_base64"]) == zipped
    assert len(flow.world.webhooks.by_job[job]) == 1


async def test_at_the_deadline_an_aggregate_goes_out_with_what_there_is(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours = {"billing": services.answers(202), "stock": services.responds(lambda _: b"{}", headers=JSON)}
    job = await flow.accepted("/short/all")
    message = await flow.message(job)
    assert (message.id, message.status) == (f"{job}:all:partial", "partial")
    results = message.json["results"]
    assert isinstance(results, list)
    parts = {part["service"]: part for part in results}
    assert (parts["stock"]["status"], parts["stock"]["body"]) == ("succeeded", {})
    assert (parts["billing"]["status"], parts["billing"]["problem"]["reason"]) == ("failed", "deadline_exceeded")


async def test_at_the_deadline_a_missing_result_is_an_error_and_a_late_callback_is_told(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    job = await flow.accepted("/short/each")
    message = await flow.message(job, "billing")
    assert (message.kind, message.status, message.json["reason"]) == ("error", "failed", "deadline_exceeded")
    (call,) = flow.world.services.called("billing")
    late = await flow.world.client.send("POST", call.callback_url, body=b"late")
    assert (late.status, late.problem["code"]) == (410, "callback_too_late")


async def test_correlation_and_trace_are_continued_on_every_leg(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.calls_back(lambda _: b"{}")
    answer = await flow.submit("/one", x_correlation_id="order-7", traceparent=TRACEPARENT, tracestate="a=1")
    job = answer.headers["x-job-id"]
    assert (answer.headers["x-correlation-id"], answer.json["correlation_id"]) == ("order-7", "order-7")
    message = await flow.message(job, "billing")
    (call,) = services.called("billing")
    spans = {TRACEPARENT.split("-")[2]}
    for leg in (call, message):
        assert leg.headers["x-correlation-id"] == "order-7"
        _, trace, span, flags = leg.headers["traceparent"].split("-")
        assert (trace, flags) == (TRACE, "01")
        spans.add(span)
    assert len(spans) == 3
    assert call.headers["tracestate"] == "a=1"


@pytest.mark.parametrize("sent", [{"activityid": "from-wso2"}, {}])
async def test_the_correlation_id_of_the_gateway_is_taken_else_one_is_made(sent: dict[str, str], flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.calls_back(lambda _: b"{}")
    answer = await flow.submit("/one", b"{}", **sent)
    told = answer.headers["x-correlation-id"]
    assert told == sent.get("activityid", told) != ""
    message = await flow.message(answer.headers["x-job-id"], "billing")
    assert message.headers["x-correlation-id"] == flow.world.services.calls[0].headers["x-correlation-id"] == told


async def test_a_service_gets_the_request_and_the_addresses_that_it_needs(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    sent = {"authorization": "Bearer end-user", "cookie": "a=b", "x-own": "Grüße", "te": "trailers"}
    sent |= {"idempotency_key": "mine", "connection": "keep-alive, x-hop", "x_hop": "1"}
    job = await flow.accepted("/orders/4%202/report?lang=de&format=none", b"{}", **sent)
    (call,) = flow.world.services.called("billing")
    assert call.method == "POST"
    assert call.target.startswith("/billing/reports/4%202?format=full")
    assert "lang=de" in call.target
    assert "format=none" not in call.target
    assert call.callback_url.startswith(f"{flow.replica.ports.callbacks_url}/callbacks/{job}/billing/")
    assert call.headers["x-original-callback-url"] == flow.world.hook
    assert (call.headers["x-job-id"], call.headers["idempotency-key"]) == (job, f'"{job}:billing"')
    assert call.headers["x-original-idempotency-key"] == "mine"
    assert call.headers["authorization"] == "Bearer end-user"
    assert call.headers["x-own"] == "Grüße"
    assert call.headers["x-async-sidecar"]
    unwanted = {"cookie", "te", "x-hop", "x-sidecar-key", "x-api-application", "upload-url", "prefer"}
    assert unwanted.isdisjoint(name.lower() for name in call.headers)


async def test_headers_are_forwarded_or_stripped_as_the_route_says(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    await flow.accepted("/cookies", b"{}", authorization="Bearer end-user", cookie="a=b")
    (call,) = flow.world.services.called("billing")
    assert call.headers["cookie"] == "a=b"
    assert "authorization" not in call.headers


async def test_the_end_users_credentials_never_reach_the_webhook(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.calls_back(lambda _: b"{}", {"x-own": "1", **JSON})
    job = await flow.accepted("/one", b"{}", authorization="Bearer end-user", cookie="a=b", x_own="1")
    message = await flow.message(job, "billing")
    assert {"authorization", "cookie", "x-own"}.isdisjoint(name.lower() for name in message.headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_other_methods_reach_the_service_as_they_came(method: str, flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    headers = {"callback-url": flow.world.hook, "x-sidecar-key": "the-gateway-itself"}
    answer = await flow.world.client.send(method, f"{flow.replica.ports.gateway_url}/one", headers=headers)
    assert answer.status == 202
    assert [call.method for call in flow.world.services.calls] == [method]


async def test_with_the_original_callback_url_a_service_answers_the_caller_itself(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    job = await flow.accepted("/original")
    (call,) = flow.world.services.called("billing")
    assert call.callback_url == flow.world.hook
    state = await flow.until_state(job, "billing", "succeeded")
    assert state["completion"] == "none"
    assert (await flow.state(job))["deliveries"] == []


async def test_a_result_never_overtakes_the_202(flow: Flow) -> None:
    gate = asyncio.Event()
    services = flow.world.services
    services.behaviours = {
        "billing": services.answers(202),
        "stock": services.responds(lambda _: b"quick"),
        "risk": services.waits_for(gate, services.answers(202)),
    }
    answering = asyncio.create_task(flow.submit("/each", prefer="wait=30"))
    call: Call = (await wait_until(lambda: services.called("stock"), "the call of stock"))[0]
    await flow.until_state(call.job_id, "stock", "succeeded")
    assert not answering.done()
    assert flow.world.webhooks.messages == []
    gate.set()
    assert (await answering).headers["x-job-id"] == call.job_id
    assert (await flow.message(call.job_id, "stock")).body == b"quick"
