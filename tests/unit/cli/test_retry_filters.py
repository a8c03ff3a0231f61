"""How people choose retries on the command line, and what they are shown of times and addresses."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from sidecar.cli.retry_filters import Instant, Which, parse_instant
from sidecar.cli.retry_text import roughly, when
from sidecar.model.seen_jobs import callback_host
from sidecar.model.seen_retries import without_query
from sidecar.operate.local import EndpointNames
from sidecar.settings.load import build_settings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SETTINGS = build_settings(
    {
        "gateway": {"identity": {"type": "none"}},
        "callbacks": {"base_url": "http://sidecar:8081", "token_secrets": "x" * 40},
        "database": {"dsn": "postgresql://db/x"},
        "webhook": {"endpoints": [{"name": "crm", "match": "https://hooks.example/crm/1.0"}]},
        "routes": [{"path": "/a", "services": [{"name": "a", "url": "http://a/"}]}],
    }
)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_before_now_or_of_iso_8601(text: str, time: datetime) -> None:
    assert parse_instant(text).at(NOW) == time


@pytest.mark.parametrize("text", ["yesterday", "2x", "", "99999999999999d"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_instant(text)


def test_people_call_an_aggregate_all_and_the_ledger_does_not() -> None:
    assert Which(service="all").at(NOW).service == ""
    assert Which(service="billing").at(NOW).service == "billing"
    assert Which(since=Instant(timedelta(hours=1))).at(NOW).since == NOW - timedelta(hours=1)


def test_an_endpoint_is_named_as_in_the_settings_or_by_its_key() -> None:
    assert EndpointNames(SETTINGS.webhook).key("crm") == "https://hooks.example:443/crm/1.0"
    assert EndpointNames(SETTINGS.webhook).key("https://other.example:443/a") == "https://other.example:443/a"


def test_times_are_told_roughly() -> None:
    assert roughly(59.9) == "59s"
    assert roughly(3661) == "1h1m"
    assert roughly(3 * 86_400 + 3700) == "3d1h"
    assert when(NOW + timedelta(seconds=4), NOW) == "in 4s"
    assert when(NOW - timedelta(seconds=4), NOW) == "4s ago"
    assert when(None, NOW) == ""


def test_of_a_callback_url_the_query_is_never_shown() -> None:
    url = "https://hooks.example:8443/a?token=hush"
    assert callback_host(url) == "hooks.example:8443"
    assert without_query(url) == "https://hooks.example:8443/a?(not shown)"
    assert without_query("https://hooks.example/a") == "https://hooks.example/a"
