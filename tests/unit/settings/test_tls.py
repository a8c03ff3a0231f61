"""TLS of a listener: what contradicts itself."""

from typing import Any

import pytest

from sidecar.listeners import Listeners
from sidecar.model.errors import ConfigError
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import Lines
from tests.unit.settings.builders import make_settings

FILES = {"cert_file": "/c", "key_file": "/k"}


@pytest.mark.parametrize("section", ["gateway", "callbacks", "admin"])
@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"client_certificates": "required"}, "tls: asks for client certificates and believes no authority"),
        ({"client_ca_file": "/ca"}, "tls: names a client_ca_file and asks for no certificate"),
        ({"client_certificates": "maybe"}, "tls.client_certificates: must be one of"),
    ],
)
def test_contradictions_name_the_setting(section: str, more: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=f"^{section}.{error}"):
        make_settings(**{f"{section}__tls": {**FILES, **more}})


def test_files_that_are_not_there_are_told_before_anything_is_started() -> None:
    settings = make_settings(callbacks__tls=FILES)
    with pytest.raises(ConfigError, match=r"^callbacks\.tls\.cert_file: /c cannot be read; No such file"):
        Listeners(settings, log=Lines().log, metrics=Metrics(), reuse_port=False)
