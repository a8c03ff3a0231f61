"""What this version reads and does not serve."""

from typing import Any

import pytest

from sidecar.model.errors import ConfigError
from sidecar.settings.unserved import refuse_unserved, unserved
from tests.unit.settings.builders import make_route, make_service, make_settings

SIGNING = {"secrets_file": "/secrets/signing"}
ENDPOINT = {"name": "partner", "match": "https://hooks.partner.example/"}


def names(*, fatal: bool, **over: Any) -> list[str]:
    return [item.name for item in unserved(make_settings(**over)) if item.fatal is fatal]


def test_the_smallest_settings_are_served_whole() -> None:
    assert refuse_unserved(make_settings()) == []


@pytest.mark.parametrize(
    ("over", "name"),
    [
        ({"offload__sse": {"type": "kms"}}, "offload.sse"),
    ],
)
def test_what_would_protect_less_than_it_says_keeps_the_sidecar_from_starting(over: dict[str, Any], name: str) -> None:
    assert names(fatal=True, **over) == [name]
    with pytest.raises(ConfigError) as caught:
        refuse_unserved(make_settings(**over))
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("over", "name"),
    [
        ({"offload__threshold": "1MiB"}, "offload"),
        ({"gateway__per_application__running_jobs": 5}, "gateway.per_application"),
        ({"retention__objects": "8d"}, "retention.objects"),
        ({"webhook__endpoints": [{**ENDPOINT, "threshold": "1KiB"}]}, "webhook.endpoints[0]"),
        ({"webhook__endpoints": [{**ENDPOINT, "style": "file"}]}, "webhook.endpoints[0]"),
        ({"routes": [make_route(offload={"bucket": "eu-results"})]}, "routes[0].offload"),
        (
            {"routes": [make_route(services=[make_service(offer_upload=True)])]},
            "routes[0].services[0].offer_upload",
        ),
    ],
)
def test_what_merely_does_less_is_a_warning(over: dict[str, Any], name: str) -> None:
    assert names(fatal=True, **over) == []
    assert name in names(fatal=False, **over)


def test_what_is_served_and_defaults_that_are_written_out_are_no_warning() -> None:
    over = {
        "retry__cap": "30m",
        "retry__scan_interval": "2s",
        "gateway__per_application__running_jobs": 1000,
        "offload__prefix": "sidecar/",
    }
    assert names(fatal=False, **over) == []


def test_an_object_store_is_served_with_all_that_hangs_on_it() -> None:
    over = {
        "offload__bucket": "results",
        "offload__sse": {"type": "kms"},
        "offload__threshold": "1MiB",
        "retention__objects": "8d",
        "webhook__endpoints": [{**ENDPOINT, "threshold": "1KiB", "style": "file"}],
        "routes": [make_route(offload={"bucket": "eu-results"}, services=[make_service(offer_upload=True)])],
    }
    assert names(fatal=True, **over) == []
    assert names(fatal=False, **over) == []
