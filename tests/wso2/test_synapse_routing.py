"""Apache Synapse runs what is shipped: who answers a request, and what sidecar and backend are told."""

import pytest

from tests.acceptance.harness.site import KEY_HEADER
from tests.wso2.conftest import Gateway
from tests.wso2.variants import BUILDERS, MANAGED

each_variant = pytest.mark.parametrize("variant", BUILDERS)
each_managed = pytest.mark.parametrize("variant", MANAGED)


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
