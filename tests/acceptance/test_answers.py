"""What callers and services are answered, and what follows from an answer."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.services import Behaviour
from tests.acceptance.harness.waiting import ask_until, wait_until


async def test_the_202_names_the_job_and_where_to_ask_about_it(flow: Flow) -> None:
    flow.world.services.behaviours["billing"] = flow.world.services.answers(202)
    answer = await flow.submit("/one", prefer="respond-async, wait=30", x_api_context="/orders/1.0")
    job = answer.headers["x-job-id"]
    assert answer.status == 202
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    assert answer.headers["preference-applied"] == "respond-async, wait=30"
    assert answer.headers["location"] == f"https://gw.example/orders/1.0/_jobs/{job}"
    document = answer.json
    assert (document["job_id"], document["status"]) == (job, "invoked")
    assert document["services"] == [{"service": "billing", "status": "invoked", "status_code": 202}]
    assert document["created_at"] < document["deadline_at"]
    assert document["links"]["self"] == f"https://gw.example/orders/1.0/_jobs/{job}"
    assert document["links"]["results"].startswith(f"https://gw.example/orders/1.0/_jobs/{job}/results/")


async def test_who_does_not_wait_is_told_that_it_is_stored(flow: Flow) -> None:
    gate, services = asyncio.Event(), flow.world.services
    services.behaviours["billing"] = services.waits_for(gate, services.calls_back(lambda _: b"late"))
    answer = await flow.submit("/one", prefer="wait=0")
    assert (answer.json["status"], answer.headers["preference-applied"]) == ("accepted", "wait=0")
    assert answer.json["services"] == [{"service": "billing", "status": "accepted"}]
    gate.set()
    assert (await flow.message(answer.headers["x-job-id"], "billing")).body == b"late"


async def test_who_waits_is_told_of_a_late_acknowledgement(flow: Flow) -> None:
    gate, services = asyncio.Event(), flow.world.services
    services.behaviours["billing"] = services.waits_for(gate, services.answers(201))
    answering = asyncio.create_task(flow.submit("/one", prefer="wait=30"))
    await wait_until(lambda: services.called("billing"), "the call")
    gate.set()
    answer = await answering
    assert answer.json["status"] == "invoked"
    assert answer.json["services"] == [{"service": "billing", "status": "invoked", "status_code": 201}]


async def test_when_every_service_refuses_the_caller_hears_502_and_the_webhook_nothing(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours = {"risk": services.answers(422), "billing": services.calls_back(lambda _: b"{}")}
    refused = await flow.submit("/refusing", idempotency_key="again")
    assert (refused.status, refused.problem["code"]) == (502, "all_services_refused")
    assert "x-job-id" not in refused.headers
    assert {entry["service"]: entry["reason"] for entry in refused.problem["services"]} == {
        "risk": "refused",
        "gone": "unreachable",
    }
    job = services.called("risk")[0].job_id
    await until_failed(flow, job)
    assert (await flow.state(job))["deliveries"] == []
    again = await flow.submit("/refusing", idempotency_key="again")  # a 502 is not kept
    assert (again.status, len(services.called("risk"))) == (502, 2)
    await flow.message(await flow.accepted("/one"), "billing")
    assert job not in flow.world.webhooks.by_job


async def until_failed(flow: Flow, job: str) -> None:
    async def failed() -> bool:
        return bool((await flow.state(job))["status"] == "failed")

    await ask_until(failed, f"{job} is failed")


async def test_a_callback_that_came_before_the_refusal_stands(flow: Flow) -> None:
    services = flow.world.services

    async def calls_back_first(call: Any) -> Any:
        assert await services.callbacks.post(call.callback_url, b"done") == 202
        return await services.answers(409)(call)

    services.behaviours["billing"] = calls_back_first
    await flow.submit("/one")
    (call,) = services.called("billing")
    message = await flow.message(call.job_id, "billing")
    assert (message.status, message.body) == ("succeeded", b"done")
    assert len(flow.world.webhooks.by_job[call.job_id]) == 1


def times_out_then(flow: Flow, then: Behaviour) -> Behaviour:
    return flow.world.services.in_turn(flow.world.services.hangs(), then)


async def test_a_service_that_may_have_taken_the_call_is_not_closed_by_a_refusal(flow: Flow) -> None:
    """It took the first call and is slow to say so; the repetition it refuses as one."""
    services = flow.world.services
    services.behaviours["billing"] = times_out_then(flow, services.answers(409))
    answer = await flow.submit("/unsure", prefer="wait=0")
    job = answer.headers["x-job-id"]
    await wait_until(lambda: len(services.called("billing")) == 2, "the repetition")
    first, second = services.called("billing")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.callback_url == second.callback_url

    async def refused() -> bool:
        (state,) = (await flow.state(job))["services"]
        return bool(state["attempts"] == 2)

    await ask_until(refused, "the refusal is known")
    assert (await flow.state(job))["deliveries"] == []
    assert await services.callbacks.post(first.callback_url, b"done after all") == 202
    message = await flow.message(job, "billing")
    assert (message.status, message.body) == ("succeeded", b"done after all")


async def test_a_service_that_must_not_be_called_twice_is_waited_for(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.hangs()
    job = await flow.accepted("/never", prefer="wait=0")

    async def tried() -> bool:
        (state,) = (await flow.state(job))["services"]
        return bool(state["attempts"] == 1)

    await ask_until(tried, "the attempt timed out")
    (call,) = services.called("billing")
    assert await services.callbacks.post(call.callback_url, b"done") == 202
    assert (await flow.message(job, "billing")).body == b"done"
    assert len(services.called("billing")) == 1


async def test_a_response_that_is_missing_and_must_not_be_asked_for_twice_is_an_unknown_outcome(flow: Flow) -> None:
    flow.world.services.behaviours["stock"] = flow.world.services.hangs()
    job = await flow.accepted("/never/stock")
    message = await flow.message(job, "stock")
    assert (message.kind, message.status, message.json["reason"]) == ("error", "failed", "outcome_unknown")
    assert len(flow.world.services.called("stock")) == 1


@pytest.mark.parametrize("busy", [429, 503])
async def test_a_busy_service_is_tried_again(busy: int, flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.in_turn(services.answers(busy), services.calls_back(lambda _: b"done"))
    job = await flow.accepted("/one", prefer="wait=30")
    assert (await flow.message(job, "billing")).body == b"done"
    assert len(services.called("billing")) == 2


async def test_a_sandbox_key_goes_to_the_sandbox_and_only_there(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours = {name: services.answers(202) for name in ("billing", "sandbox")}
    await flow.accepted("/sandboxed", x_api_key_type="SANDBOX")
    assert [call.service for call in services.calls] == ["sandbox"]
    await flow.accepted("/sandboxed", x_api_key_type="PRODUCTION")
    assert [call.service for call in services.calls] == ["sandbox", "billing"]
    refused = await flow.submit("/one", x_api_key_type="SANDBOX")
    assert (refused.status, refused.problem["code"]) == (403, "sandbox_unavailable")


async def test_a_gateway_that_does_not_identify_itself_is_refused(flow: Flow) -> None:
    for key in ("", "wrong"):
        answer = await flow.submit("/one", x_sidecar_key=key)
        assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
    assert flow.world.services.calls == []


async def test_a_request_that_comes_back_to_us_is_a_loop(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.answers(202)
    await flow.accepted("/one")
    (call,) = services.called("billing")
    back = await flow.submit("/one", x_async_sidecar=call.headers["x-async-sidecar"])
    assert (back.status, back.problem["code"]) == (508, "loop_detected")
    await flow.accepted("/one", x_async_sidecar="another-installation")
    markers = services.called("billing")[-1].headers.getall("x-async-sidecar")
    assert markers == ["another-installation", call.headers["x-async-sidecar"]]


# Idempotency


async def test_a_repeated_request_is_answered_with_its_first_job(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.answers(202)
    first = await flow.submit("/one", b"body", idempotency_key="k-1")
    again = await flow.submit("/one", b"body", idempotency_key='"k-1"')
    assert (first.status, again.status) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-job-id"] == first.headers["x-job-id"]
    assert again.json["status"] == "invoked"
    assert len(services.calls) == 1


async def test_requests_with_one_key_at_the_same_time_are_one_job(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.answers(202)
    answers = await asyncio.gather(*(flow.submit("/one", b"body", idempotency_key="k-2") for _ in range(12)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status == 409)
    jobs = {answer.headers["x-job-id"] for answer in answers if answer.status == 202}
    assert len(jobs) == len(services.calls) == 1


async def test_one_key_for_another_request_is_refused_and_another_applications_key_is_another(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.answers(202)
    job = await flow.accepted("/one", b"body", idempotency_key="k-3")
    others: dict[str, Answer] = {
        "another body": await flow.submit("/one", b"other", idempotency_key="k-3"),
        "another query": await flow.submit("/one?a=b", b"body", idempotency_key="k-3"),
        "another webhook": await flow.submit(
            "/one", b"body", idempotency_key="k-3", callback_url=f"{flow.world.hook}/2"
        ),
    }
    codes = {what: (answer.status, answer.problem["code"]) for what, answer in others.items()}
    assert codes == dict.fromkeys(others, (422, "idempotency_key_reused"))
    assert await flow.accepted("/one", b"body", idempotency_key="k-3", x_api_application="other") != job
    assert len(services.calls) == 2


# Callbacks and questions


async def test_a_repeated_callback_is_welcome_and_a_different_one_is_too_late(flow: Flow) -> None:
    services, client = flow.world.services, flow.world.client
    services.behaviours["billing"] = services.answers(202)
    job = await flow.accepted("/one")
    (call,) = services.called("billing")
    assert [(await client.send("POST", call.callback_url, body=b"one")).status for _ in range(3)] == [202] * 3
    other = await client.send("POST", call.callback_url, body=b"two")
    assert (other.status, other.problem["code"], other.problem["outcome"]) == (409, "callback_conflict", "result")
    assert other.problem["since"]
    wrong = await client.send("POST", call.callback_url[:-2] + "xx", body=b"one")
    assert (wrong.status, wrong.problem["code"]) == (404, "callback_unknown")
    assert (await flow.message(job, "billing")).body == b"one"
    assert len(flow.world.webhooks.by_job[job]) == 1


async def test_callbacks_at_the_same_time_have_one_winner(flow: Flow) -> None:
    services, client = flow.world.services, flow.world.client
    services.behaviours["billing"] = services.answers(202)
    job = await flow.accepted("/one")
    (call,) = services.called("billing")
    bodies = [b"result %d" % number for number in range(10)]
    answers = await asyncio.gather(*(client.send("POST", call.callback_url, body=body) for body in bodies))
    won = [body for body, answer in zip(bodies, answers, strict=True) if answer.status == 202]
    assert sorted(answer.status for answer in answers) == [202] + [409] * 9
    assert (await flow.message(job, "billing")).body == won[0]


async def test_results_can_be_asked_for_by_their_owner_alone(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours["billing"] = services.answers(202)
    job = await flow.accepted("/one")
    early = await flow.ask(f"/_jobs/{job}/results/billing")
    assert (early.status, early.problem["code"]) == (409, "result_not_ready")
    (call,) = services.called("billing")
    assert await services.callbacks.post(call.callback_url, b"<done/>", {"content-type": "text/xml"}) == 202
    result = await flow.ask(f"/_jobs/{job}/results/billing")
    assert (result.status, result.body, result.headers["content-type"]) == (200, b"<done/>", "text/xml")
    assert (result.headers["x-job-id"], result.headers["x-result-status"]) == (job, "succeeded")
    assert (await flow.ask(f"/_jobs/{job}/results/nobody")).status == 404
    for path in (f"/_jobs/{job}", f"/_jobs/{job}/results/billing"):
        answer = await flow.ask(path, app="another")
        assert (answer.status, answer.problem["code"]) == (404, "job_unknown")


async def test_the_state_of_a_job_tells_of_services_and_messages_and_never_of_bodies(flow: Flow) -> None:
    services = flow.world.services
    services.behaviours = {
        "billing": services.calls_back(lambda _: b"a secret result"),
        "stock": services.responds(lambda _: b"{}"),
        "risk": services.answers(409),
    }
    flow.world.webhooks.status["/gone"] = 410
    job = await flow.accepted("/each", b"a secret request", callback_url=f"{flow.world.webhooks.url}/gone")

    async def over() -> Any:
        deliveries = (await flow.state(job))["deliveries"]
        return len(deliveries) == 3 and all(entry["state"] != "open" for entry in deliveries)

    await ask_until(over, "three messages ended")
    state = await flow.state(job)
    assert {entry["service"]: (entry["status"], entry["reason"]) for entry in state["services"]} == {
        "billing": ("succeeded", None),
        "stock": ("succeeded", None),
        "risk": ("failed", "refused"),
    }
    assert {entry["message_id"]: (entry["state"], entry["reason"]) for entry in state["deliveries"]} == {
        f"{job}:billing:succeeded": ("failed", "gone"),
        f"{job}:stock:succeeded": ("failed", "gone"),
        f"{job}:risk:failed": ("failed", "gone"),
    }
    assert "secret" not in str(state)
