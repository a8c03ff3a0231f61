"""Which callback-urls a literal prefix covers: credentials are sent there, and nowhere else."""

import pytest

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.url_prefix import UrlPrefix

CRM = "https://gw.corp.example:8243/crm/1.0/"


def covers(prefix: str, url: str) -> bool:
    try:
        parsed = parse_webhook_url(url)
    except ValueError:
        return False  # such a callback-url is refused at accept
    return UrlPrefix.parse(prefix).covers(parsed)


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        (CRM, "https://gw.corp.example:8243/crm/1.0/results"),
        (CRM, "https://gw.corp.example:8243/crm/1.0/"),
        (CRM, "https://gw.corp.example:8243/crm/1.0/a/b?c=../d"),
        (CRM, "HTTPS://GW.Corp.EXAMPLE:8243/crm/1.0/results"),
        (CRM, "https://gw.corp.example:8243/crm/1.0//results"),
        (CRM, "https://gw.corp.example:8243/crm/1.0/a%20b;v=1/c..d/.hidden/..."),
        (CRM, "https://gw.corp.example:8243/crm/1.0/Gr%C3%BC%C3%9Fe/%E6%97%A5"),
        ("https://gw.corp.example:8243/crm", "https://gw.corp.example:8243/crm"),
        ("https://gw.corp.example:8243/crm", "https://gw.corp.example:8243/crm?x=1"),
        ("https://gw.corp.example:8243/crm", "https://gw.corp.example:8243/crm/x"),
        ("https://gw.corp.example/a/", "https://gw.corp.example:443/a/x"),
        ("https://gw.corp.example:443/a/", "https://gw.corp.example/a/x"),
        ("https://gw.corp.example/", "https://gw.corp.example"),
        ("https://[2001:db8::1]:8243/a/", "https://[2001:DB8::1]:8243/a/x"),
    ],
)
def test_what_lies_under_a_prefix_is_covered(prefix: str, url: str) -> None:
    assert covers(prefix, url)


@pytest.mark.parametrize(
    "url",
    [
        # another origin
        "http://gw.corp.example:8243/crm/1.0/results",
        "https://gw.corp.example/crm/1.0/results",
        "https://gw.corp.example:8244/crm/1.0/results",
        "https://gw.corp.example:82430/crm/1.0/results",
        "https://gw.corp.example:8243.evil.example/crm/1.0/results",
        "https://gw.corp.example.evil.example:8243/crm/1.0/results",
        "https://gw.corp.example.:8243/crm/1.0/results",
        "https://evil.example:8243/crm/1.0/results",
        "https://gw.corp.example:8243@evil.example/crm/1.0/results",
        "https://gw.corp.example:8243%40evil.example/crm/1.0/results",
        "https://gw.corp.example:8243\\@evil.example/crm/1.0/results",
        "https://evil.example/https://gw.corp.example:8243/crm/1.0/results",
        "https://evil.example?https://gw.corp.example:8243/crm/1.0/results",
        # another path
        "https://gw.corp.example:8243/crm/1.0",
        "https://gw.corp.example:8243/crm/1.0x/results",
        "https://gw.corp.example:8243/crm/1.01/results",
        "https://gw.corp.example:8243/CRM/1.0/results",
        "https://gw.corp.example:8243//crm/1.0/results",
        "https://gw.corp.example:8243/%63rm/1.0/results",
        "https://gw.corp.example:8243/?/crm/1.0/",
        # a path that some servers read as another one
        "https://gw.corp.example:8243/crm/1.0/../../hr/1.0/results",
        "https://gw.corp.example:8243/crm/1.0/..",
        "https://gw.corp.example:8243/crm/1.0/./results",
        "https://gw.corp.example:8243/crm/1.0/%2e%2e/hr",
        "https://gw.corp.example:8243/crm/1.0/.%2E/hr",
        "https://gw.corp.example:8243/crm/1.0/%252e%252e/hr",
        "https://gw.corp.example:8243/crm/1.0/..;/hr",
        "https://gw.corp.example:8243/crm/1.0/..;a=b/hr",
        "https://gw.corp.example:8243/crm/1.0/..%3b/hr",
        "https://gw.corp.example:8243/crm/1.0/..%2fhr",
        "https://gw.corp.example:8243/crm/1.0/..%5Chr",
        "https://gw.corp.example:8243/crm/1.0/..\\hr",
        "https://gw.corp.example:8243/crm/1.0/a%2Fb",
        "https://gw.corp.example:8243/crm/1.0/a%00",
        "https://gw.corp.example:8243/crm/1.0/%c0%ae%c0%ae/hr",
        "https://gw.corp.example:8243/crm/1.0/..%c0%afhr",
        "https://gw.corp.example:8243/crm/1.0/%u002e%u002e/hr",
        "https://gw.corp.example:8243/crm/1.0/%ef%bc%8e%ef%bc%8e/hr",
        "https://gw.corp.example:8243/crm/1.0/%e2%80%a5/hr",
        "https://gw.corp.example:8243/crm/1.0/..%ef%bc%8fhr",
        "https://gw.corp.example:8243/crm/1.0/a%ZZ",
    ],
)
def test_no_trick_gets_credentials_to_another_place(url: str) -> None:
    assert not covers(CRM, url)


def test_a_prefix_without_a_slash_ends_at_a_segment_all_the_same() -> None:
    assert not covers("https://gw.corp.example/crm", "https://gw.corp.example/crm2")
    assert not covers("https://gw.corp.example/crm", "https://gw.corp.example/crm;evil/x")


@pytest.mark.parametrize(
    "prefix", ["https://*.corp.example/", "https://u:p@gw/a/", "https://gw/a/?x=1", "https://gw/a/../b/", "gw/a/", "*"]
)
def test_what_is_no_literal_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        UrlPrefix.parse(prefix)
