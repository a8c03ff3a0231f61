"""The egress guard through the real process: at accept, in the log, and for what was accepted under other settings."""

import json
from typing import Any

import pytest

from sidecar.model.callback_url import parse_webhook_url
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.site import DYING, ON_LOOPBACK, route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

FOREIGN = ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/"]
FOREIGN += [
    "http://0x7f.1/",
    "http://2130706433/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://metadata.google.internal/",
]
ENDED = "SELECT state, last_reason, retry_count FROM oas_webhook_retry WHERE state <> 'pending'"


def refusals(flow: Flow) -> list[dict[str, Any]]:
    lines = flow.replica.log.read_text().splitlines()
    return [json.loads(line) for line in lines if '"egress.refused"' in line]


@pytest.mark.parametrize("url", FOREIGN)
async def test_an_address_that_may_not_be_called_is_refused_and_the_log_says_why(flow: Flow, url: str) -> None:
    answer = await flow.submit("/one", hook=url, x_correlation_id="who-asks")
    assert (answer.status, answer.problem["code"]) == (403, "callback_url_refused")
    assert answer.problem["detail"].startswith("The sidecar does not call this address")
    parsed = parse_webhook_url(url)
    host = f"{parsed.host}:{parsed.port}"
    told = await wait_until(
        lambda: [line for line in refusals(flow) if line["host"] == host], f"the log line of {host}"
    )
    assert (told[-1]["stage"], told[-1]["header"], told[-1]["correlation_id"]) == ("accept", "callback-url", "who-asks")
    assert "meta-data" not in json.dumps(told)


async def test_our_own_places_are_refused_although_their_network_is_open(flow: Flow, flow_places: Places) -> None:
    ports = flow.replica.ports
    own = [
        ports.gateway_url,
        ports.admin_url,
        f"{flow_places.services_url}/billing",
        f"http://localhost:{ports.admin}/",
    ]
    answers = [await flow.submit("/one", hook=url) for url in own]
    assert [answer.problem["code"] for answer in answers] == ["callback_url_refused"] * len(own)
    assert len({answer.problem["detail"] for answer in answers}) == 1


async def test_what_was_accepted_is_refused_when_the_settings_have_become_stricter(
    world: World, places: Places, make_replica: MakeReplica, database: str
) -> None:
    world.services.behaviours["stock"] = world.services.responds(lambda _: b"{}")
    routes = [route("/stock", service("stock", places.services_url, completion="response"))]
    over: dict[str, Any] = {**DYING, "retry": {"base": "100ms", "scan_interval": "20ms"}}
    first = make_replica(routes, over=over)
    second = make_replica(routes, over=over | {"webhook": {**ON_LOOPBACK, "allow_networks": []}})
    with ending(first, second):
        await first.start()
        await world.submit(first.ports.gateway_url + "/stock", hook=f"{places.nobody_url}/hook")

        async def retrying() -> bool:
            return bool(await query(database, "SELECT 1 AS yes FROM oas_webhook_retry WHERE retry_count > 0"))

        await ask_until(retrying, "a first retry")
        first.kill()
        await second.start()

        async def ended() -> list[Any]:
            return await query(database, ENDED)

        (row,) = await ask_until(ended, "the end of the sequence")
        await wait_until(
            lambda: '"stage":"dial"' in second.log.read_text(), "the log line, which is written a little later"
        )
    assert (row["state"], row["last_reason"]) == ("failed", "egress_refused")
