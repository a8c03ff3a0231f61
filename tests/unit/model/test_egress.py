"""The egress guard against a corpus: attackers' URLs are refused, each for its reason; honest callers' pass."""

from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.egress import Address, EgressPolicy, EgressReason, Ports, Refusal, Target
from sidecar.outbound.egress import Egress, make_egress
from sidecar.outbound.names import Names
from sidecar.settings.root import Settings
from tests.unit.model.egress_corpus import FORM, HARMLESS, HOSTILE, PUBLIC, RESOLVES
from tests.unit.settings.builders import make_settings

SITE: dict[str, Any] = {
    "database__dsn": "postgresql://sidecar@db.corp.example:443/sidecar",
    "callbacks__base_url": "https://sidecar.corp.example",
    "offload__endpoint_url": "https://minio.corp.example",
    "webhook__require_https": False,
    "webhook__allow_hosts": ["*.corp.example", "exact.partner.example"],
    "webhook__allow_networks": ["10.20.0.0/16", "10.9.0.0/16", "fd99::/16"],
    "webhook__deny_networks": ["10.20.250.0/24"],
    "webhook__service_users": [
        {
            "match": "https://hooks.corp.example/crm/",
            "type": "oauth2_client_credentials",
            "token_url": "https://km.corp.example/oauth2/token",
            "client_id": "sidecar",
            "client_secret_file": "/secrets/km",
        }
    ],
    "routes": [{"path": "/orders", "services": [{"name": "billing", "url": "https://billing.corp.example/orders"}]}],
}


def lookup(host: str) -> tuple[str, ...]:
    return RESOLVES.get(host, PUBLIC)


async def guard(settings: Settings | None = None) -> Egress:
    egress = make_egress(settings or make_settings(**SITE), Names(lookup))
    await egress.own.run_once()
    return egress


async def reason_of(egress: Egress, text: str) -> str | None:
    """Judge as accepting a request does: first the form of the URL, then the guard."""
    try:
        url = parse_webhook_url(text)
    except ValueError:
        return FORM
    refusal = await egress.refusal(url)
    return None if refusal is None else str(refusal.reason)


def test_the_corpus_is_large_and_covers_every_reason() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 200
    assert len(HARMLESS) == len(set(HARMLESS)) >= 150
    assert set(Counter(reason for _, reason in HOSTILE)) == {FORM, *EgressReason}


async def test_what_attackers_write_is_refused_for_its_reason() -> None:
    egress = await guard()
    assert {url: await reason_of(egress, url) for url, _ in HOSTILE} == dict(HOSTILE)


async def test_what_honest_callers_write_passes() -> None:
    egress = await guard()
    assert {url: await reason_of(egress, url) for url in HARMLESS} == dict.fromkeys(HARMLESS)


async def test_a_second_look_gives_the_same_verdict() -> None:
    egress = await guard()
    for url, reason in HOSTILE[:50]:
        assert (await reason_of(egress, url), await reason_of(egress, url)) == (reason, reason)


async def test_a_name_that_cannot_be_resolved_now_is_not_refused_now() -> None:
    def away(_: str) -> tuple[str, ...]:
        raise OSError("no name server")

    egress = make_egress(make_settings(), Names(away))
    assert await reason_of(egress, "https://hooks.example/") is None


@given(st.ip_addresses(v=4))
def test_no_special_ipv4_address_passes_in_any_clothes(address: Any) -> None:
    policy = make_egress(make_settings(), Names(lookup))._policy
    plain = policy.refuses(Target("hooks.example", 443), address)
    clothes = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        str(ip_address((0x2002 << 112) | (int(address) << 80))),
        str(ip_address((0x20010000 << 96) | (int(address) << 64) | 0xF7F7F7F7)),
    ]
    for text in clothes:
        refusal = policy.refuses(Target("hooks.example", 443), ip_address(text))
        assert (refusal is None) == (plain is None), text


@pytest.mark.parametrize("network", ["0.0.0.0/0", "127.0.0.0/7", "::/0"])
def test_a_wide_network_does_not_open_this_machine_or_its_metadata(network: str) -> None:
    policy = make_policy(allow_networks=[ip_network(network, strict=False)])
    for text in ("127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fd00:ec2::254", "fe80::1", "224.0.0.1"):
        assert policy.refuses(Target("x.example", 443), ip_address(text)) is not None


def test_loopback_is_opened_by_its_own_name_only() -> None:
    policy = make_policy(allow_networks=[ip_network("127.0.0.0/8")])
    assert isinstance(policy.target("127.0.0.1", 443), Target)
    assert isinstance(policy.target("localhost", 443), Target)
    assert isinstance(policy.target("[::ffff:127.0.0.1]", 443), Target)
    assert isinstance(policy.target("[::1]", 443), Refusal)
    assert isinstance(make_policy(allow_hosts=["localhost"]).target("localhost", 443), Refusal)


class Nothing:
    def named(self, host: str, port: int) -> None:
        """No host is ours."""

    def at(self, address: Address, port: int) -> None:
        """Nor any address."""


def make_policy(**over: Any) -> EgressPolicy:
    return EgressPolicy(**{"ports": [Ports(443, 443)], "own": Nothing(), **over})


def test_names_are_matched_at_their_dots() -> None:
    policy = make_policy(allow_hosts=["*.corp.example", "Exact.Example."])
    trusted = {
        host: isinstance(found := policy.target(host, 443), Target) and found.trusted
        for host in (
            "a.corp.example",
            "a.b.corp.example.",
            "corp.example",
            "evilcorp.example",
            "exact.example",
            "x.exact.example",
        )
    }
    assert [host for host, yes in trusted.items() if yes] == ["a.corp.example", "a.b.corp.example.", "exact.example"]


def test_a_trusted_name_does_not_open_what_is_always_denied() -> None:
    target = make_policy(allow_hosts=["hooks.corp.example"]).target("hooks.corp.example", 443)
    assert isinstance(target, Target)
    policy = make_policy(allow_hosts=["hooks.corp.example"])
    assert policy.refuses(target, ip_address("10.1.1.1")) is None
    for text in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "2002:7f00:1::"):
        assert policy.refuses(target, ip_address(text)) is not None


async def test_own_places_are_found_on_every_address_of_this_machine() -> None:
    over = {"webhook__allow_networks": ["127.0.0.0/8"], "webhook__ports": ["1-65535"], "webhook__require_https": False}
    egress = make_egress(make_settings(**over), Names(lookup))
    assert await reason_of(egress, "http://127.0.0.1:8080/") == "own"  # 0.0.0.0:8080
    assert await reason_of(egress, "http://127.7.7.7:8082/") == "own"
    assert (
        await reason_of(egress, "http://localhost:8081/") is None
    )  # by name; its address is judged, here a public one
    assert await reason_of(egress, "http://127.0.0.1:8090/") is None


async def test_a_gateway_in_front_of_services_and_webhooks_is_open_where_the_settings_name_webhooks_there() -> None:
    services = [{"name": "billing", "url": "https://gw.example:8243/billing/1.0/"}]
    over: dict[str, Any] = {"routes": [{"path": "/orders", "services": services}]}
    url = "https://gw.example:8243/crm/1.0/results"
    assert await reason_of(await guard(make_settings(**over)), url) == "own"
    over["webhook__endpoints"] = [{"name": "crm", "match": "https://gw.example:8243/crm/"}]
    assert await reason_of(await guard(make_settings(**over)), url) is None


async def test_what_is_ours_moves_and_is_refused_where_it_went() -> None:
    where = {"db": ("10.0.0.1",)}
    settings = make_settings(database__dsn="postgresql://sidecar@db:443/x", webhook__allow_networks=["10.0.0.0/8"])
    egress = make_egress(settings, Names(lambda host: where.get(host, PUBLIC), fresh=0))
    await egress.own.run_once()
    assert [await reason_of(egress, f"https://10.0.0.{n}/") for n in (1, 2)] == ["own", None]
    where["db"] = ("10.0.0.2",)
    await egress.own.run_once()
    assert [await reason_of(egress, f"https://10.0.0.{n}/") for n in (1, 2)] == [None, "own"]


@pytest.mark.parametrize("url", ["https://hooks.example/", "https://1.1.1.1/", "https://ten.evil.example/"])
async def test_a_known_verdict_costs_no_look_up(url: str) -> None:
    asked = []

    def counting(host: str) -> tuple[str, ...]:
        asked.append(host)
        return lookup(host)

    egress = make_egress(make_settings(), Names(counting))
    first = await reason_of(egress, url)
    assert [await reason_of(egress, url) for _ in range(3)] == [first] * 3
    assert len(asked) <= 1
