"""What belongs to an installation, read from its settings."""

from typing import Any

import pytest

from sidecar.settings.own_places import own_places
from tests.unit.settings.builders import make_route, make_service, make_settings


def places(**over: Any) -> set[tuple[str, str | None, int]]:
    return {(place.setting, place.host, place.port) for place in own_places(make_settings(**over))}


def test_listeners_database_services_and_the_callback_address_are_ours() -> None:
    assert places() == {
        ("gateway.listen", None, 8080),
        ("callbacks.listen", None, 8081),
        ("admin.listen", None, 8082),
        ("callbacks.base_url", "sidecar", 8081),
        ("database.dsn", "db", 5432),
        ("routes[0].services[0].url", "billing", 9000),
    }


@pytest.mark.parametrize(
    ("dsn", "found"),
    [
        ("postgresql://u:p@DB.corp.example./x", {("db.corp.example", 5432)}),
        ("postgres://a:6432,b,[fd00::1]:7000/x", {("a", 6432), ("b", 5432), ("fd00::1", 7000)}),
        ("postgresql://u@/x?host=/run/postgresql", set()),
        ("postgresql://u@/x?host=a,b:1234&port=6000", {("a", 6000), ("b", 1234)}),
        ("postgresql://u@[::1]/x", {("::1", 5432)}),
        ("postgresql://u@a/x?port=nonsense", {("a", 5432)}),
    ],
)
def test_every_host_of_a_database_address_is_ours(dsn: str, found: set[tuple[str, int]]) -> None:
    assert {(host, port) for setting, host, port in places(database__dsn=dsn) if setting == "database.dsn"} == found


def test_whatever_else_the_settings_name_is_ours_too() -> None:
    user = {
        "match": "https://gw.example/crm/",
        "type": "oauth2_client_credentials",
        "token_url": "https://km.example:9443/oauth2/token",
        "client_id": "c",
        "client_secret_file": "/s",
        "proxy": "http://proxy-3:3128",
    }
    found = places(
        offload={
            "endpoint_url": "http://minio:9000",
            "public_endpoint_url": "https://s3.example",
            "proxy": "http://proxy-4:3128",
        },
        webhook__proxy="http://proxy-1:3128",
        webhook__service_users=[user],
        services__proxy="http://proxy-2:3128",
        telemetry__otlp_endpoint="http://otel:4318/v1/traces",
        gateway__identity={"type": "wso2_jwt", "jwks_url": "https://gw.corp.example:9443/oauth2/jwks", "issuer": "i"},
        gateway__listen="10.1.1.1:8080",
        routes=[make_route(services=[make_service(sandbox_url="https://billing-sb/x")])],
    )
    hosts = {(host, port) for _, host, port in found}
    assert hosts >= {("minio", 9000), ("km.example", 9443), ("otel", 4318), ("gw.corp.example", 9443)}
    assert hosts >= {(f"proxy-{number}", 3128) for number in (1, 2, 3, 4)}
    assert hosts >= {("10.1.1.1", 8080), ("billing-sb", 443)}
    assert ("s3.example", 443) not in hosts
