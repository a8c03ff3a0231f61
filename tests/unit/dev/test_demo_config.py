"""The generated settings put embedded parts under the user's own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.dev.demo_config import (
    Ports,
    StoreAccess,
    demo_routes,
    dev_settings,
    read_settings,
    sample_request,
    signing_secret,
    token_secrets,
    wants_store,
    write_settings,
)
from sidecar.model.errors import ConfigError
from sidecar.settings.load import build_settings
from sidecar.settings.route_table import RouteTable
from sidecar.settings.unserved import unserved

PORTS = Ports(gateway=1, callbacks=2, admin=3)
STORE = StoreAccess("results", "http://127.0.0.1:4", Path("/a"), Path("/s"))


def settings(own: dict[str, Any], store: StoreAccess | None = STORE) -> dict[str, Any]:
    dsn = "postgresql://local/x"
    files = {"password_file": Path("/p"), "tokens": Path("/t"), "signing": Path("/w")}
    return dev_settings(own, ports=PORTS, dsn=dsn, store=store, **files)


def test_webhooks_on_this_machine_are_open_and_messages_signed_besides_what_own_settings_say() -> None:
    assert settings({})["webhook"] == {
        "require_https": False,
        "signing": {"secrets_file": "/w"},
        "allow_networks": ["127.0.0.0/8", "::1/128"],
        "ports": [443, 8243, "1024-65535"],
    }
    own = {"webhook": {"allow_networks": "10.0.0.0/8", "ports": [9443], "signing": {"secrets_file": "/mine"}}}
    made = settings(own)["webhook"]
    assert made["allow_networks"] == ["10.0.0.0/8", "127.0.0.0/8", "::1/128"]
    assert (made["ports"], made["signing"]) == ([9443, "1024-65535"], {"secrets_file": "/mine"})


def test_the_secret_that_signs_is_made_once(tmp_path: Path) -> None:
    first = signing_secret(tmp_path / "signing")
    assert (signing_secret(tmp_path / "signing"), first[:6]) == (first, "whsec_")
    assert (tmp_path / "signing").stat().st_mode & 0o777 == 0o600


def test_without_own_settings_everything_is_local_and_open() -> None:
    made = settings({})
    assert made["gateway"]["identity"] == {"type": "none"}
    assert made["callbacks"]["base_url"] == "http://127.0.0.1:2"
    assert [made[name]["listen"] for name in ("gateway", "callbacks", "admin")] == [f"127.0.0.1:{n}" for n in (1, 2, 3)]
    assert made["callbacks"]["token_secrets_file"] == "/t"


def test_own_settings_stay_but_never_the_database_and_the_listeners() -> None:
    own = {
        "gateway": {"listen": "0.0.0.0:80", "identity": {"type": "shared_secret"}, "wait": "1s"},
        "callbacks": {"base_url": "http://me", "token_secrets_file": "/mine"},
        "database": {
            "dsn": "postgresql://production/x",
            "password_file": "/production",
            "pooler": "transaction",
            "pool": 3,
        },
        "routes": [{"path": "/a"}],
    }
    made = settings(own)
    assert made["database"] == {"dsn": "postgresql://local/x", "password_file": "/p", "pool": 3}
    assert made["gateway"]["listen"] == "127.0.0.1:1"
    assert made["gateway"]["identity"] == {"type": "shared_secret"}
    assert made["callbacks"]["base_url"] == "http://me"
    assert made["callbacks"]["token_secrets_file"] == "/mine"
    assert made["routes"] == own["routes"]


def test_another_object_store_is_replaced_and_what_is_said_of_bodies_stays() -> None:
    own = {
        "offload": {
            "bucket": "production",
            "endpoint_url": "https://s3.example",
            "sse": {"type": "kms"},
            "credentials": {"access_key_file": "/mine", "secret_key_file": "/mine"},
            "threshold": "1MiB",
        },
        "routes": [{"path": "/a", "offload": {"bucket": "other", "prefix": "eu/"}}, {"path": "/b"}],
    }
    assert wants_store(own)
    made = settings(own)
    assert made["offload"] == {
        "bucket": "results",
        "endpoint_url": "http://127.0.0.1:4",
        "region": "us-east-1",
        "path_style": True,
        "credentials": {"access_key_file": "/a", "secret_key_file": "/s"},
        "threshold": "1MiB",
    }
    assert made["routes"] == [{"path": "/a", "offload": {"prefix": "eu/"}}, {"path": "/b"}]


def test_settings_without_an_object_store_get_none() -> None:
    own = {"routes": [{"path": "/a"}]}
    assert wants_store(None)
    assert not wants_store(own)
    assert "offload" not in settings(own, store=None)


def test_files_are_private_and_the_token_secret_is_made_once(tmp_path: Path) -> None:
    tokens = token_secrets(tmp_path / "tokens")
    secret = tokens.read_text()
    assert token_secrets(tokens).read_text() == secret
    write_settings(tmp_path / "s.yaml", settings(demo_routes("http://s")))
    assert {path.stat().st_mode & 0o777 for path in (tokens, tmp_path / "s.yaml")} == {0o600}
    assert yaml.safe_load((tmp_path / "s.yaml").read_text())["routes"][0]["path"] == "/demo/orders/{order_id}/report"


@pytest.mark.parametrize("text", ["[1, 2]", "gateway: text", "a: [", ""])
def test_a_file_that_is_no_settings_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read_settings(path)


def test_the_sample_request_is_one_that_the_first_route_takes() -> None:
    assert sample_request(demo_routes("http://s")["routes"]) == ("POST", "/demo/orders/42/report")
    assert sample_request([{"path": "/a/{b}/{c}", "methods": ["PUT"]}]) == ("PUT", "/a/42/42")
    assert sample_request(None) == ("POST", "/")


def test_the_generated_settings_can_be_served_and_take_the_sample_request() -> None:
    made = build_settings(settings(demo_routes("http://127.0.0.1:9000")))
    method, path = sample_request(demo_routes("http://127.0.0.1:9000")["routes"])
    match = RouteTable(made.routes).match(method, path)
    assert [call.url for call in match.calls] == [
        f"http://127.0.0.1:9000/{name}/42" for name in ("billing", "stock", "risk")
    ]
    assert not [setting.name for setting in unserved(made) if setting.fatal]
