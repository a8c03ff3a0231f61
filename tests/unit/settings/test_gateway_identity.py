"""The gateway's identity in the settings, and what is made of it."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.accept.backend_jwt import BackendJwt
from sidecar.accept.identity import ClientCertificate, NoIdentity, SharedSecret
from sidecar.gatekeeper import make_identity
from sidecar.model.errors import ConfigError
from tests.unit.builders import Lines
from tests.unit.settings.builders import make_settings

TLS = {"cert_file": "/c", "key_file": "/k", "client_ca_file": "/ca", "client_certificates": "required"}
JWT = {"type": "wso2_jwt", "jwks_url": "https://gw.example/jwks", "issuer": "wso2.org/products/am"}


def made(identity: dict[str, Any], **over: Any) -> Any:
    chosen = make_settings(gateway__identity=identity, **over).gateway.identity
    return make_identity(chosen, log=Lines().log)[0]


def test_nobody_is_verified_only_if_that_is_written() -> None:
    assert isinstance(made({"type": "none"}), NoIdentity)


def test_the_secrets_are_the_lines_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("the-new-one\nthe-old-one\n")
    identity = made({"type": "shared_secret", "secret_file": str(file), "header": "X-Key"})
    assert isinstance(identity, SharedSecret)
    for secret in (b"the-new-one", b"the-old-one"):
        identity.identify({"x-key": [secret]}, None)


def test_a_certificate_is_known_by_names_as_certificates_bear_them() -> None:
    identity = made({"type": "mtls", "names": ["GW.Corp.Example", "CN=WSO2", "spiffe://corp/GW"]}, gateway__tls=TLS)
    assert isinstance(identity, ClientCertificate)
    for name in ("gw.corp.example", "CN=WSO2", "spiffe://corp/GW"):
        identity.identify({}, frozenset({name}))


def test_a_backend_jwt_comes_with_keys_to_be_kept_up() -> None:
    chosen = make_settings(gateway__identity=JWT).gateway.identity
    identity, keyring = make_identity(chosen, log=Lines().log)
    assert isinstance(identity, BackendJwt)
    assert keyring is not None


@pytest.mark.parametrize("tls", [None, {"cert_file": "/c", "key_file": "/k"}])
def test_certificates_are_no_identity_where_none_is_asked_for(tls: dict[str, str] | None) -> None:
    with pytest.raises(
        ConfigError, match=r"^gateway\.identity: mtls needs the gateway's certificate; set gateway\.tls"
    ):
        make_settings(gateway__identity={"type": "mtls"}, gateway__tls=tls)


@pytest.mark.parametrize(
    ("over", "error"),
    [
        ({"jwks_url": "http://gw.example/jwks"}, "jwks_url: would believe whatever keys somebody on the way sends"),
        ({"issuer": ""}, "issuer: is too short"),
        ({"leeway": "1h"}, "leeway: "),
        ({"algorithms": ["none"]}, "algorithms: is not a setting"),
    ],
)
def test_a_jwt_that_could_be_forged_is_refused(over: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=f"^gateway.identity.{error}"):
        make_settings(gateway__identity=JWT | over)
