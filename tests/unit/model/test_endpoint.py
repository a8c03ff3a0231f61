import pytest

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import MAX_KEY, EndpointRule, NamedEndpoint

RULE = EndpointRule(
    [
        NamedEndpoint("gateway", "https://gw.example:8243/"),
        NamedEndpoint("crm", "https://gw.example:8243/crm/"),
        NamedEndpoint("partner", "HTTPS://Partner.Example/hooks/"),
    ]
)

KEYS = {
    "https://gw.example:8243/crm/1.0/results": "https://gw.example:8243/crm/",
    "https://gw.example:8243/crm": "https://gw.example:8243/",
    "https://gw.example:8243/crmx/1.0": "https://gw.example:8243/",
    "https://GW.example:8243/CRM/1.0": "https://gw.example:8243/",
    "https://partner.example:443/hooks/a": "https://partner.example:443/hooks/",
    "https://partner.example/hooks/a": "https://partner.example:443/hooks/",
    "http://partner.example/hooks/a": "http://partner.example:80/hooks/a",
    "https://partner.example.evil/hooks/a": "https://partner.example.evil:443/hooks/a",
    "https://gw.example/crm/1.0/results": "https://gw.example:443/crm/1.0",
    "https://hooks.example/a/b/c/d?e=f": "https://hooks.example:443/a/b",
    "https://hooks.example/a": "https://hooks.example:443/a",
    "https://hooks.example": "https://hooks.example:443/",
    "https://hooks.example?a=/b/c": "https://hooks.example:443/",
}


@pytest.mark.parametrize(("url", "key"), KEYS.items())
def test_the_longest_prefix_wins_else_origin_and_leading_segments(url: str, key: str) -> None:
    assert RULE.endpoint_of(parse_webhook_url(url)) == key


@pytest.mark.parametrize(
    ("segments", "key"),
    [(0, "https://h.example:443"), (1, "https://h.example:443/a"), (9, "https://h.example:443/a/b/c")],
)
def test_the_number_of_leading_segments_is_a_setting(segments: int, key: str) -> None:
    url = parse_webhook_url("https://h.example/a/b/c")
    assert EndpointRule(segments=segments).endpoint_of(url) == key


def test_only_configured_endpoints_have_a_label_of_their_own() -> None:
    labels = {url: RULE.label_of(RULE.endpoint_of(parse_webhook_url(url))) for url in KEYS}
    assert labels["https://gw.example:8243/crm/1.0/results"] == "crm"
    assert labels["https://gw.example:8243/crmx/1.0"] == "gateway"
    assert labels["https://partner.example/hooks/a"] == "partner"
    assert {labels[url] for url in KEYS if "hooks.example" in url} == {"other"}


def test_long_keys_are_bounded_and_stay_different() -> None:
    keys = {
        EndpointRule().endpoint_of(parse_webhook_url(f"https://h.example/{'x' * 500}{last}/b")) for last in ("1", "2")
    }
    assert len(keys) == 2
    assert all(len(key) <= MAX_KEY for key in keys)
    long = NamedEndpoint("long", f"https://h.example/{'y' * 300}/")
    rule = EndpointRule([long])
    assert rule.label_of(rule.endpoint_of(parse_webhook_url(long.prefix + "z"))) == "long"
