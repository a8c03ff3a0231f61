"""Values that are wrong, and settings that contradict each other: each is told with its place and remedy."""

from typing import Any

import pytest

from sidecar.model.errors import ConfigError
from sidecar.settings.load import build_settings
from tests.unit.settings.builders import make_data, make_route, make_settings


def line_of(**over: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build_settings(make_data(**over))
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("gateway__wait", "2 parsecs", "gateway.wait: '2 parsecs' is not a duration; write it like 15m"),
        ("gateway__max_body", "64K", "gateway.max_body: '64K' is not a size; write it like 256KiB"),
        ("gateway__headers__field", "1B", "gateway.headers.field: 1B is out of range; choose between 1KiB and 1MiB"),
        ("gateway__listen", "8080", "gateway.listen: is not an address to listen on; write host:port"),
        ("gateway__listen", "a:99999", "gateway.listen: is not an address to listen on"),
        ("gateway__listen", "[::g]:1", "gateway.listen: is not an address to listen on"),
        ("gateway__listen", "::1:80", "gateway.listen: is not an address to listen on"),
        ("gateway__identity", {}, "gateway.identity: has no type; say which kind it is"),
        ("gateway__identity", {"type": "x"}, "gateway.identity: has a type that does not exist; choose one of 'none'"),
        ("gateway__public_url", "https://gw?a=1", "gateway.public_url: holds a query"),
        ("gateway__correlation", ["a b"], "gateway.correlation[0]: 'a b' is not a header name"),
        ("callbacks__base_url", "sidecar:8081", "callbacks.base_url: is not an absolute http(s) URL"),
        ("callbacks__base_url", "http://s/?", "callbacks.base_url: holds a query"),
        ("callbacks__base_url", "http://u:p@s", "callbacks.base_url: holds a user name or password"),
        (
            "database__dsn",
            "host=db password=hush",
            "database.dsn: is not a Postgres address; write it like postgresql://",
        ),
        ("database__pool", "many", "database.pool: must be a whole number"),
        ("database__pool", 1, "database.pool: must be at least 2"),
        ("database__pooler", "session", "database.pooler: must be one of 'none' or 'transaction'"),
        ("worker", [], "worker: is a group of settings; write its keys below it"),
        ("worker__dead_after", "0s", "worker.dead_after: 0s is out of range"),
        ("retention__jobs", "41d", "retention.jobs: 41d is too long; choose at most 40d, because jobs have one"),
        ("retry__give_up_after", "25h", "retry.give_up_after: 25h is out of range; choose between 1s and 24h"),
        ("webhook__concurrency", {"per_host": 9, "per_endpoint": 10}, "webhook.concurrency: allows more per_endpoint"),
        ("webhook__concurrency", {"total": 5, "per_endpoint": 10}, "webhook.concurrency: allows more per_endpoint"),
        ("webhook__ports", ["https"], "webhook.ports[0]: is not a port; write a number like 443, or a range"),
        ("webhook__ports", ["9000-8000"], "webhook.ports[0]: is not a port; they go from 1 to 65535, the lower one"),
        ("webhook__ports", [0], "webhook.ports[0]: is not a port; they go from 1"),
        ("webhook__allow_hosts", ["*"], "webhook.allow_hosts[0]: '*' is neither a host nor *.suffix"),
        ("webhook__allow_hosts", ["https://a/"], "webhook.allow_hosts[0]: 'https://a/' is neither a host nor"),
        ("webhook__allow_networks", ["10.0.0.0/99"], "webhook.allow_networks[0]: "),
        ("webhook__signing", {}, "webhook.signing: needs a key; give secrets_file, ed25519_key_file, or both"),
        ("offload__sse", {"type": "s3", "key_id": "k"}, "offload.sse: has a key_id without type: kms"),
        ("routes", {}, "routes: must be a list"),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_remedy(name: str, value: Any, line: str) -> None:
    assert line_of(**{name: value}).startswith(line)


@pytest.mark.parametrize(
    ("user", "line"),
    [
        ({"match": "*", "type": "basic"}, "webhook.service_users[0].match: would send credentials everywhere"),
        ({"match": "http://gw/a/", "type": "basic"}, "webhook.service_users[0].match: would send credentials too far"),
        ({"match": "https://gw", "type": "basic"}, "webhook.service_users[0].match: would send credentials too far"),
        ({"match": "https://*.gw/a/", "type": "basic"}, "webhook.service_users[0].match: is no beginning of callback"),
        ({"match": "https://gw/a/../b/", "type": "basic"}, "webhook.service_users[0].match: is no beginning of"),
        ({"match": "https://u@gw/a/", "type": "basic"}, "webhook.service_users[0].match: is no beginning of"),
    ],
)
def test_credentials_go_only_to_a_literal_https_prefix(user: dict[str, str], line: str) -> None:
    assert line_of(webhook__service_users=[{**user, "username": "u", "password_file": "/p"}]).startswith(line)


def test_a_client_secret_goes_over_https_only_too() -> None:
    user = {"match": "https://gw/a/", "type": "oauth2_client_credentials", "client_id": "c", "client_secret_file": "/s"}
    line = line_of(webhook__service_users=[{**user, "token_url": "http://km/token"}])
    assert line.startswith("webhook.service_users[0].token_url: would send secrets in the clear")


@pytest.mark.parametrize("header", ["Host", "content-length", "webhook-id", "x-job-id", "transfer-encoding"])
def test_a_header_that_the_sidecar_sets_cannot_carry_credentials(header: str) -> None:
    user = {"match": "https://gw/a/", "type": "header", "header": header, "value_file": "/v"}
    assert line_of(webhook__service_users=[user]).startswith("webhook.service_users[0].header: ")


def test_two_service_users_for_one_place_contradict_each_other() -> None:
    users = [{"match": match, "type": "none"} for match in ("https://gw/a/", "https://GW:443/a")]
    assert line_of(webhook__service_users=users).startswith("webhook.service_users[1].match: covers the same")


def test_anyone_may_be_sent_no_credentials() -> None:
    assert make_settings(webhook__service_users=[{"match": "*", "type": "none"}]).webhook.service_users[0].match == "*"


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ({"gateway__wait": "6s"}, "gateway.wait: 6s is longer than gateway.max_wait (5s); lower it"),
        ({"retry__base": "1h", "retry__cap": "1m"}, "retry.base: 1h is longer than retry.cap (1m)"),
        ({"webhook__timeouts": {"connect": "31s"}}, "webhook.timeouts.connect: is longer"),
        ({"gateway__headers": {"field": "65KiB"}}, "gateway.headers.field: is larger"),
        (
            {"retention__jobs": "49h59s", "routes": [make_route(deadline="1h1m")]},
            "retention.jobs: 2d1h59s is too short",
        ),
        ({"retention__bodies": "15d"}, "retention.bodies: 15d is longer than retention.jobs (14d)"),
        ({"admin__listen": "0.0.0.0:8080"}, "admin.listen: 0.0.0.0:8080 is gateway.listen too"),
        (
            {
                "admin__tokens": [
                    {"name": "x", "role": "viewer", "token": "a"},
                    {"name": "x", "role": "viewer", "token": "b"},
                ]
            },
            "admin: tokens: x is there twice",
        ),
        (
            {"webhook__endpoints": [{"name": "a", "match": "https://a/"}, {"name": "a", "match": "https://b/"}]},
            "webhook.endpoints[1].name: a is there twice",
        ),
        (
            {
                "offload__bucket": "results",
                "webhook__endpoints": [{"name": "a", "match": "https://a/", "threshold": "33MiB"}],
            },
            "webhook.endpoints[0].threshold: 33MiB is more than database.max_body (32MiB)",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(over: dict[str, Any], line: str) -> None:
    assert line_of(**over).startswith(line)


def test_retention_may_be_exactly_as_short_as_deadline_delivery_and_redrive_allow() -> None:
    settings = make_settings(retention__jobs="49h", routes=[make_route(deadline="1h")])
    assert settings.retention.jobs == 49 * 3600


def test_listeners_may_all_ask_for_a_free_port() -> None:
    settings = make_settings(**{f"{name}__listen": "127.0.0.1:0" for name in ("gateway", "callbacks", "admin")})
    assert settings.admin.listen == settings.gateway.listen


@pytest.mark.parametrize("dead_after", ["500ms", "15s", "10m"])
def test_a_worker_may_lose_three_beats_before_it_counts_as_dead(dead_after: str) -> None:
    worker = make_settings(worker__dead_after=dead_after).worker
    late = worker.beat_interval + worker.watch_interval  # a beat waits for the look after it is due
    assert worker.dead_after >= 3 * late + worker.beat_timeout
