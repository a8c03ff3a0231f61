"""What of endpoints is shared by the ledger: changes of state, and nothing else."""

from typing import Any

import pytest

from sidecar.deliver.circuits import THRESHOLD
from sidecar.deliver.health import EndpointHealth
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.reasons import DeliveryReason as Reason
from sidecar.model.retry import EndpointState
from sidecar.outbound.requests import Failure, FailureKind
from tests.unit.builders import NOW, make_delivery, make_reply
from tests.unit.deliver.bench import Bench, Endpoints

HERE = "https://hooks.example:443/crm/1.0"


def make_health() -> tuple[EndpointHealth, Endpoints]:
    endpoints = Endpoints()
    return EndpointHealth(endpoints, full_speed=8, probe_lease=45.0), endpoints


def state(**over: Any) -> EndpointState:
    usual: dict[str, Any] = {"endpoint": HERE, "state": "open", "reason": "connect", "openings": 1, "opened_at": NOW}
    return EndpointState(**{**usual, "confirmed_at": NOW, "remaining": -1.0, "probing": False, **over})


async def test_an_endpoint_that_is_there_writes_nothing() -> None:
    health, endpoints = make_health()
    for status in (204, 503, 429, 404) * 10:
        await health.answered(HERE, status, wait=0.0)
    for _ in range(THRESHOLD - 1):
        await health.silent(HERE, Reason.CONNECT)
    assert endpoints.written == []
    assert await health.places(HERE, 5) == 5


async def test_a_circuit_is_written_when_it_opens_and_when_it_closes() -> None:
    health, endpoints = make_health()
    for _ in range(3 * THRESHOLD):
        await health.silent(HERE, Reason.CONNECT)
    for _ in range(5):
        await health.answered(HERE, 204, wait=0.0)
    assert endpoints.written == [("open", HERE, 10.0, "connect"), ("close", HERE)]


async def test_one_probe_is_leased_once_it_is_due() -> None:
    health, endpoints = make_health()
    endpoints.states = [state(remaining=3.0)]
    assert await health.refresh() == {HERE}
    assert await health.places(HERE, 5) == 0
    endpoints.states = [state()]
    await health.refresh()
    assert await health.places(HERE, 5) == 1
    endpoints.states = [state(probing=True)]
    await health.refresh()
    assert await health.places(HERE, 5) == 0
    assert endpoints.written == [("probe", HERE, 45.0)]


async def test_no_probe_is_sent_without_its_lease() -> None:
    health, endpoints = make_health()
    endpoints.states, endpoints.leases = [state()], False
    await health.refresh()
    assert await health.places(HERE, 5) == 0
    assert health.circuits.speed(HERE) == 0


@pytest.mark.parametrize(("openings", "pause"), [(1, 20.0), (3, 80.0), (40, 300.0)])
async def test_a_probe_that_fails_opens_for_longer(openings: int, pause: float) -> None:
    health, endpoints = make_health()
    endpoints.states = [state(openings=openings)]
    await health.refresh()
    await health.places(HERE, 5)
    await health.silent(HERE, Reason.TIMEOUT)
    assert endpoints.written[1:] == [("open", HERE, pause, "timeout")]


async def test_a_probe_whose_connection_breaks_found_somebody() -> None:
    health, endpoints = make_health()
    endpoints.states = [state()]
    await health.refresh()
    await health.places(HERE, 5)
    await health.silent(HERE, Reason.RESET)
    assert endpoints.written[1:] == [("close", HERE)]
    assert health.circuits.speed(HERE) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_peace_is_paused_once_and_heeded_at_once(status: int) -> None:
    health, endpoints = make_health()
    for _ in range(5):  # the answers to all that was under way
        await health.answered(HERE, status, wait=30.0)
    await health.answered(HERE, 204, wait=0.0)  # and one to what it took before
    assert endpoints.written == [("pause", HERE, 30.0, f"retry_after_{status}")]
    assert health.circuits.speed(HERE) == 0
    assert await health.places(HERE, 5) == 0


async def test_an_answer_does_not_end_a_pause_that_another_replica_was_asked_for() -> None:
    health, endpoints = make_health()
    endpoints.states = [state(state="paused", remaining=30.0)]
    await health.refresh()
    await health.answered(HERE, 204, wait=0.0)
    assert endpoints.written == []
    endpoints.states = []
    assert await health.refresh() == frozenset()
    assert health.circuits.speed(HERE) == 1


async def test_a_message_may_ask_for_time_for_itself_alone() -> None:
    health, endpoints = make_health()
    await health.answered(HERE, 408, wait=30.0)
    assert endpoints.written == []


async def test_an_outage_that_hides_a_circuit_loses_no_end_of_an_attempt() -> None:
    bench = Bench(*[Failure(FailureKind.CONNECT, sent=False)] * THRESHOLD, per_endpoint=1)
    bench.endpoints.fault = LedgerUnavailable("away")
    for _ in range(THRESHOLD):
        await bench.deliver._attempt(make_delivery())
    assert len(bench.ledger.ends) == THRESHOLD
    bench = Bench(make_reply(429, retry_after="9"))
    bench.endpoints.fault = LedgerUnavailable("away")
    await bench.handle(make_delivery())
    assert len(bench.ledger.ends) == 1
