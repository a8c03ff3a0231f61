"""From the client through a real engine to the sidecar, the services, their callbacks and the webhook, and back."""

import asyncio
from hashlib import sha256

import pytest

from tests.wso2.conftest import Gateway
from tests.wso2.variants import BUILDERS

each_variant = pytest.mark.parametrize("variant", BUILDERS)
CORRELATION = "order-7/2026"


@each_variant
async def test_a_request_comes_back_to_the_webhook_with_its_correlation_id(gateway: Gateway, variant: str) -> None:
    world = gateway.world
    world.services.behaviours["billing"] = world.services.calls_back(lambda call: b"billed " + call.body)
    world.services.behaviours["stock"] = world.services.responds(lambda call: b"counted " + call.body)
    job = await gateway.accepted(variant, "/7/report?lang=en", b'{"n": 7}', x_correlation_id=CORRELATION)
    assert job["correlation_id"] == CORRELATION
    for service, result in {"billing": b'billed {"n": 7}', "stock": b'counted {"n": 7}'}.items():
        message = await world.message(job["job_id"], service)
        assert (message.kind, message.status, message.body) == ("direct", "succeeded", result)
        assert message.headers["x-correlation-id"] == CORRELATION
        (call,) = [call for call in world.services.called(service) if call.job_id == job["job_id"]]
        assert call.target == f"/{service}?lang=en"
        assert call.headers["x-correlation-id"] == CORRELATION
        assert call.headers["x-original-callback-url"] == world.hook
    asked = await gateway.send(variant, f"/_jobs/{job['job_id']}/results/billing", b"", method="GET")
    assert (asked.status, asked.body) == (200, b'billed {"n": 7}')


async def test_the_id_that_the_gateway_made_is_kept_where_the_client_sent_none(gateway: Gateway) -> None:
    job = await gateway.accepted("policy", "/7/invoice", activityid="made-by-the-gateway")
    assert job["correlation_id"] == "made-by-the-gateway"


async def test_a_failure_of_a_service_becomes_an_error_message(gateway: Gateway) -> None:
    world = gateway.world
    world.services.behaviours["billing"] = world.services.answers(409, b"no")
    world.services.behaviours["stock"] = world.services.responds(lambda _: b"counted")
    job = await gateway.accepted("sequence-backend", "/7/report")
    message = await world.message(job["job_id"], "billing")
    assert (message.kind, message.status) == ("error", "failed")


async def test_many_callers_at_once_each_get_their_own_result(gateway: Gateway) -> None:
    world = gateway.world
    world.services.behaviours["billing"] = world.services.calls_back(lambda call: sha256(call.body).digest())

    async def one(number: int) -> None:
        body = b"%d" % number
        variant = list(BUILDERS)[number % len(BUILDERS)]
        job = await gateway.accepted(variant, f"/{number}/invoice", body, content_type="application/octet-stream")
        assert (await world.message(job["job_id"], "billing")).body == sha256(body).digest()

    await asyncio.gather(*(one(number) for number in range(40)))
