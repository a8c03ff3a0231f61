"""A real engine runs what is shipped: Apache Synapse, in front of the real sidecar. One file, hence one engine.

Who answers a request, what sidecar and backend are told, whole round trips to the webhook, and the smoke test that
administrators run.
"""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from tests.acceptance.harness.site import KEY_HEADER
from tests.wso2.conftest import Gateway, run_program
from tests.wso2.engine.maven import program
from tests.wso2.variants import BUILDERS, MANAGED, Addresses

each_variant = pytest.mark.parametrize("variant", BUILDERS)
each_managed = pytest.mark.parametrize("variant", MANAGED)
CORRELATION = "order-7/2026"


@each_variant
async def test_with_callback_url_the_sidecar_answers_and_the_backend_hears_nothing(
    gateway: Gateway, variant: str
) -> None:
    job = await gateway.accepted(variant, "/7/invoice")
    assert job["status"] == "invoked"
    assert not gateway.world.other.calls


@each_variant
async def test_without_callback_url_the_backend_answers(gateway: Gateway, variant: str) -> None:
    answer = await gateway.send(variant, "/7/invoice?full=yes")
    assert (answer.status, answer.body) == (200, b"from the backend")
    (call,) = gateway.world.other.calls
    assert (call.target, call.body) == ("/backend/7/invoice?full=yes", b'{"n": 1}')


@each_variant
@pytest.mark.parametrize("name", ["Callback-URL", "CALLBACK-URL", "callback-Url"])
async def test_the_case_of_the_header_name_does_not_matter(gateway: Gateway, variant: str, name: str) -> None:
    answer = await gateway.send_all(variant, "/7/invoice", (name, gateway.world.hook))
    assert answer.status == 202
    assert "x-job-id" in answer.headers


@each_variant
async def test_an_empty_callback_url_goes_to_the_backend(gateway: Gateway, variant: str) -> None:
    answer = await gateway.send(variant, "/7/invoice", callback_url="")
    assert (answer.status, answer.body) == (200, b"from the backend")


@each_variant
async def test_two_callback_urls_reach_the_sidecar_both_and_are_refused(gateway: Gateway, variant: str) -> None:
    hook = gateway.world.hook
    answer = await gateway.send_all(variant, "/7/invoice", ("callback-url", hook), ("callback-url", hook + "/other"))
    assert (answer.status, answer.problem["code"]) == (400, "callback_url_repeated")


@each_variant
async def test_a_call_of_a_sidecar_that_comes_back_goes_to_the_backend(gateway: Gateway, variant: str) -> None:
    answer = await gateway.send(variant, "/7/invoice", callback_url=gateway.world.hook, x_async_sidecar="another")
    assert (answer.status, answer.body) == (200, b"from the backend")


@each_variant
async def test_questions_about_jobs_go_to_the_sidecar_without_callback_url(gateway: Gateway, variant: str) -> None:
    unknown = "01a209c8-ed00-7d23-aab6-e8c29e93e8ec"
    for path in (f"/_jobs/{unknown}", f"/_jobs/{unknown}/results/billing"):
        answer = await gateway.send(variant, path, b"", method="GET")
        assert (answer.status, answer.problem["code"]) == (404, "job_unknown")
    keys = await gateway.send(variant, "/_keys", b"", method="GET")
    assert (keys.status, keys.json) == (200, {"keys": []})
    assert not gateway.world.other.calls


@each_managed
async def test_a_job_belongs_to_the_application_that_the_gateway_found_whatever_the_client_says(
    gateway: Gateway, variant: str
) -> None:
    job = await gateway.accepted(variant, "/7/invoice", app="17", x_api_application="18")
    asked = f"/_jobs/{job['job_id']}"
    assert (await gateway.send(variant, asked, b"", method="GET", app="17")).status == 200
    stranger = await gateway.send(variant, asked, b"", method="GET", app="18", x_api_application="17")
    assert (stranger.status, stranger.problem["code"]) == (404, "job_unknown")


@each_managed
async def test_sandbox_keys_reach_the_sandbox_of_service_and_backend(gateway: Gateway, variant: str) -> None:
    gateway.world.services.behaviours["sandboxed"] = gateway.world.services.answers(202)
    job = await gateway.accepted(variant, "/7/invoice", x_test_key_type="SANDBOX", x_api_key_type="PRODUCTION")
    assert [call.job_id for call in gateway.world.services.called("sandboxed")] == [job["job_id"]]
    assert not gateway.world.services.called("billing")
    answer = await gateway.send(variant, "/7/invoice", x_test_key_type="SANDBOX")
    assert (answer.status, answer.body) == (200, b"from the sandbox")


@each_variant
async def test_links_of_the_answer_lead_back_through_the_gateway(gateway: Gateway, variant: str) -> None:
    job = await gateway.accepted(variant, "/7/invoice", x_api_context="/forged")
    link = job["links"]["self"]
    assert link == f"{gateway.engine.url}/{variant}/1.0.0/_jobs/{job['job_id']}"
    state = await gateway.send(variant, link.partition("/1.0.0")[2], b"", method="GET")
    assert (state.status, state.json["job_id"]) == (200, job["job_id"])


@each_variant
async def test_a_second_value_of_a_trusted_header_is_refused_not_believed(gateway: Gateway, variant: str) -> None:
    callback = ("callback-url", gateway.world.hook)
    answer = await gateway.send_all(variant, "/7/invoice", callback, (KEY_HEADER, "a"), (KEY_HEADER, "b"))
    assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
    twice = (("x-api-context", "/a"), ("x-api-context", "/b"))
    answer = await gateway.send_all(variant, "/7/invoice", callback, *twice)
    assert (answer.status, answer.problem["code"]) == (400, "header_invalid")


@each_variant
async def test_a_jwt_that_only_the_client_can_have_made_is_removed(gateway: Gateway, variant: str) -> None:
    job = await gateway.accepted(variant, "/7/invoice", x_jwt_assertion="forged")
    (call,) = [call for call in gateway.world.services.calls if call.job_id == job["job_id"]]
    assert "x-jwt-assertion" not in call.headers


async def test_a_jwt_of_the_gateway_travels_on_where_it_signs_one(gateway: Gateway) -> None:
    job = await gateway.accepted("jwt", "/7/invoice", x_jwt_assertion="by the gateway")
    (call,) = [call for call in gateway.world.services.calls if call.job_id == job["job_id"]]
    assert call.headers["x-jwt-assertion"] == "by the gateway"


@each_variant
async def test_problems_of_the_sidecar_reach_the_client_as_they_are(gateway: Gateway, variant: str) -> None:
    headers = (("callback-url", gateway.world.hook), ("x-correlation-id", "order-7"))
    answer = await gateway.send_all(variant, "/7/nothing", *headers)
    assert (answer.status, answer.problem["code"]) == (404, "route_unknown")
    assert answer.problem["correlation_id"] == "order-7"


@pytest.mark.parametrize("variant", ["away", "away-sequence-backend"])
async def test_a_sidecar_that_is_down_suspends_neither_itself_nor_the_backend(gateway: Gateway, variant: str) -> None:
    for _ in range(3):
        refused = await gateway.send(variant, "/7/invoice", callback_url=gateway.world.hook)
        assert (refused.status, refused.headers["x-test-code"]) == (500, "101503")
        answer = await gateway.send(variant, "/7/invoice")
        assert (answer.status, answer.body) == (200, b"from the backend")


async def test_micro_integrator_says_503_when_the_sidecar_is_down_so_that_nobody_takes_it_for_accepted(
    gateway: Gateway,
) -> None:
    for _ in range(3):
        refused = await gateway.send("away-micro-integrator", "/7/invoice", callback_url=gateway.world.hook)
        assert (refused.status, refused.headers["retry-after"], refused.body) == (503, "5", b"")
        answer = await gateway.send("away-micro-integrator", "/7/invoice")
        assert (answer.status, answer.body) == (200, b"from the backend")


@each_variant
async def test_a_large_body_passes_byte_for_byte(gateway: Gateway, variant: str) -> None:
    body = bytes(range(256)) * (32 * 1024)  # 8 MiB
    sent = {"content_type": "application/octet-stream"}
    job = await gateway.accepted(variant, "/7/invoice", body, **sent)
    (call,) = [call for call in gateway.world.services.calls if call.job_id == job["job_id"]]
    assert call.body == body
    answer = await gateway.send(variant, "/7/invoice", body, **sent)
    assert answer.status == 200
    assert gateway.world.other.calls[-1].body == body


# From the client to the webhook


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


@each_variant
async def test_a_service_behind_the_same_api_is_reached_and_no_loop_begins(gateway: Gateway, variant: str) -> None:
    job = await gateway.accepted(variant, f"/7/loop/{variant}", x_correlation_id=CORRELATION)
    message = await gateway.world.message(job["job_id"], "own")
    assert (message.kind, message.status, message.body) == ("direct", "succeeded", b"from the backend")
    (call,) = gateway.world.other.calls
    assert (call.target, call.headers["x-correlation-id"]) == ("/backend/loop", CORRELATION)
    assert "x-async-sidecar" in call.headers


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


# The smoke test


async def smoke(gateway: Gateway, variant: str, directory: Path) -> tuple[int, str]:
    at = Addresses(gateway.places, gateway.replica.ports.gateway_url, gateway.engine.url)
    script = directory / "smoke.sh"
    script.write_text(at.files("smoke", variant)["smoke.sh"])
    hook = gateway.world.hook
    sh, _ = program("sh"), program("curl")
    return await run_program(sh, str(script), env={"GATEWAY": gateway.engine.url, "CALLBACK_URL": hook})


async def test_it_says_right_where_both_requests_go_where_they_should(gateway: Gateway, tmp_path: Path) -> None:
    world = gateway.world
    world.services.behaviours["stock"] = world.services.responds(lambda _: b"counted")
    code, printed = await smoke(gateway, "sequence-backend", tmp_path)
    assert code == 0, printed
    assert printed.startswith("Right. Without callback-url: HTTP/1.1 200 OK. With it: HTTP/1.1 202 Accepted")


async def test_it_says_wrong_where_the_policy_was_dropped(gateway: Gateway, tmp_path: Path) -> None:
    code, printed = await smoke(gateway, "dropped", tmp_path)
    assert code == 1
    assert printed.startswith("WRONG: with callback-url no sidecar accepted it")


async def test_it_says_wrong_where_everything_goes_to_the_sidecar(gateway: Gateway, tmp_path: Path) -> None:
    world = gateway.world
    world.other.behaviours["backend"] = world.other.responds(lambda _: b"", headers={"x-job-id": "made by a sidecar"})
    code, printed = await smoke(gateway, "policy", tmp_path)
    assert code == 1
    assert printed.startswith("WRONG: without callback-url the sidecar answered")
