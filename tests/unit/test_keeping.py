"""Keys that seal credentials, as the settings give them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sidecar.keeping import make_seals
from sidecar.model.errors import ConfigError
from tests.unit.builders import JOB, make_call
from tests.unit.settings.builders import make_settings

KEY = "seal_" + "a" * 43 + "="
BLOCK = b"authorization: hush"


def seals(*tokens: str, **over: Any) -> Any:
    return make_seals(make_settings(**over), [SecretStr(token) for token in tokens])


def test_keys_of_a_file_seal_and_open(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\nseal_{'b' * 43}=\n")
    closed = seals("t", sealing__keys_file=str(file)).close(JOB, BLOCK, [make_call()])
    assert seals("u", sealing__keys=[KEY]).open(JOB, closed) == BLOCK


def test_without_keys_the_callback_secrets_make_them_and_rotate_with_them() -> None:
    closed = seals("old").close(JOB, BLOCK, [make_call()])
    assert b"hush" not in closed
    assert seals("new", "old").open(JOB, closed) == BLOCK


def test_a_key_that_cannot_be_read_keeps_the_sidecar_from_starting_and_is_not_shown() -> None:
    with pytest.raises(
        ConfigError, match=r"sealing\.keys: the one in place 2 is no sealing key; write seal_"
    ) as caught:
        seals("t", sealing__keys=[KEY, "seal_hush"])
    assert "hush" not in str(caught.value)


def test_headers_that_hold_credentials_can_be_named() -> None:
    block = b"X-Ticket: hush\r\nauthorization: plain"
    closed = seals("t", sealing__headers=["x-ticket"]).close(JOB, block, [make_call()])
    assert (b"hush" in closed, b"plain" in closed) == (False, True)
