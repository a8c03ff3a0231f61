"""Which key signs which message, and keys that are replaced while the sidecar runs."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from sidecar.model.endpoint import EndpointRule, NamedEndpoint
from sidecar.model.errors import ConfigError
from sidecar.model.webhook_signature import PrivateKey
from sidecar.outbound.signing import LARGE, SigningKeys, make_signatures
from sidecar.settings.webhook import WebhookSettings, WebhookSigning
from tests.unit.builders import WEBHOOK, Lines

PARTNER = "https://partner.example/hooks/"


def secret(number: int) -> str:
    return f"whsec_{b64encode(bytes([number]) * 32).decode()}"


def private(number: int) -> str:
    return f"whsk_{b64encode(bytes([number]) * 32).decode()}"


async def sent(url: str, webhook: WebhookSettings, body: bytes = b"{}") -> str | None:
    endpoints = EndpointRule([NamedEndpoint(rule.name, rule.match) for rule in webhook.endpoints])
    signatures = make_signatures(webhook, endpoints, log=Lines().log)
    return await signatures.header(url, message_id="id", timestamp=1_700_000_000, body=body)


def expected(number: int, body: str = "{}") -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - only here

    return Webhook(secret(number)).sign("id", datetime.fromtimestamp(1_700_000_000, tz=UTC), body)


def webhook(**over: Any) -> WebhookSettings:
    return WebhookSettings.model_validate(over)


PARTNERS = [{"name": "partner", "match": PARTNER, "signing": {"secrets": [secret(2), secret(3)]}}]


async def test_an_endpoints_own_keys_sign_its_messages_and_the_general_ones_all_others() -> None:
    both = webhook(signing={"secrets": [secret(1)]}, endpoints=PARTNERS)
    assert await sent(WEBHOOK, both) == expected(1)
    assert await sent(PARTNER + "x?y=1", both) == f"{expected(2)} {expected(3)}"
    assert await sent("https://partner.example/other", both) == expected(1)


async def test_without_keys_nothing_is_signed() -> None:
    assert await sent(WEBHOOK, webhook()) is None
    assert await sent(WEBHOOK, webhook(endpoints=PARTNERS)) is None
    assert await sent(PARTNER, webhook(endpoints=PARTNERS)) == f"{expected(2)} {expected(3)}"


async def test_a_large_body_is_signed_too() -> None:
    body = b"x" * (LARGE + 1)
    assert await sent(WEBHOOK, webhook(signing={"secrets": [secret(1)]}), body) == expected(1, body.decode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "signing"
    path.write_text(secret(1) + "\n")
    return path


def test_a_changed_file_counts_within_a_second_and_a_broken_one_not_at_all(file: Path) -> None:
    now, lines = [0.0], Lines()
    keys = SigningKeys("webhook.signing", WebhookSigning(secrets_file=file), log=lines.log, clock=lambda: now[0])
    first = keys.current()
    file.write_text(f"{secret(2)}\n{secret(1)}\n")
    assert keys.current() is first
    now[0] = 1.0
    assert [key.sign(b"", b"") for key in keys.current()][1] == first[0].sign(b"", b"")
    rotated = keys.current()
    for number, content in enumerate(("whsec_broken", "", None), start=2):
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        now[0] = float(number)
        assert keys.current() is rotated
        assert keys.current() is rotated
    assert [line["event"] for line in lines.events()] == ["signing_keys.unreadable"] * 3
    assert "broken" not in str(lines.events())
    file.write_text(secret(4))
    now[0] = 5.0
    assert len(keys.current()) == 1


@pytest.mark.parametrize(
    ("signing", "why"),
    [
        ({"secrets": [secret(1), "between-us"]}, "webhook.signing.secrets_file: number 2 cannot be used, it does not"),
        ({"ed25519_key": [secret(1)]}, "webhook.signing.ed25519_key_file: number 1 cannot be used, it does not begin"),
        ({"secrets_file": "/nowhere/at/all"}, "/nowhere/at/all: the secret file cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_keeps_the_sidecar_from_starting(signing: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_signatures(webhook(signing=signing), EndpointRule(), log=Lines().log)
    assert str(caught.value).startswith(why)
    assert "between-us" not in str(caught.value)


def test_the_public_keys_are_told_once_each_and_the_secrets_never() -> None:
    own = {"name": "partner", "match": PARTNER, "signing": {"ed25519_key": [private(2), private(1)]}}
    settings = webhook(signing={"ed25519_key": [private(1)], "secrets": [secret(9)]}, endpoints=[own])
    endpoints = EndpointRule([NamedEndpoint("partner", PARTNER)])
    body, tag = make_signatures(settings, endpoints, log=Lines().log).document()
    document = orjson.loads(body)
    assert [key["webhook_key"] for key in document["keys"]] == [PrivateKey(private(n)).public for n in (1, 2)]
    assert b'"d"' not in body
    assert (tag[0], tag[-1], len(tag)) == ('"', '"', 34)
