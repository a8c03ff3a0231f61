"""Signed messages through the real process, read by independent software, also while keys are rotated."""

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import run_command
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World


async def generate(kind: str, file: Path, *more: str) -> str:
    """Make a key by the command; what it printed."""
    status, printed = await run_command("secrets", "generate", kind, "--out", str(file), *more)
    assert status == 0, printed
    return printed


def secrets_of(file: Path) -> list[str]:
    return file.read_text().split()


@pytest.fixture
async def keys(tmp_path: Path) -> tuple[Path, Path]:
    shared, own = tmp_path / "signing", tmp_path / "partner"
    await generate("webhook-secret", shared)
    await generate("webhook-key", own)
    return shared, own


@pytest.fixture
async def flow(world: World, places: Places, make_replica: MakeReplica, keys: tuple[Path, Path]) -> Flow:
    shared, own = keys
    partner = {"name": "partner", "match": f"{world.webhooks.url}/partner/", "signing": {"ed25519_key_file": str(own)}}
    signing: dict[str, Any] = {"secrets_file": str(shared)}
    risk = service("risk", places.services_url, retry="none")
    stock = service("stock", places.services_url, completion="response")
    replica = make_replica(
        [route("/each", stock, risk), route("/all", stock, risk, gather="all")],
        over={
            "webhook": {"signing": signing, "endpoints": [partner]},
            "retry": {"base": "50ms", "scan_interval": "20ms"},
        },
    )
    world.services.behaviours["stock"] = world.services.responds(lambda _: b'{"total": 1}')
    world.services.behaviours["risk"] = world.services.answers(409)
    await replica.start()
    return Flow(world, replica)


def signed_by(message: Message, secret: str) -> bool:
    try:
        Webhook(secret).verify(message.body, dict(message.headers), json_parse=False)
    except Exception:  # noqa: BLE001 - whatever the library has against it
        return False
    return True


async def test_every_kind_of_message_is_verified_also_while_its_secret_is_rotated(
    flow: Flow, keys: tuple[Path, Path]
) -> None:
    flow.world.webhooks.status["/crm/1.0/results"] = 503
    first = await flow.accepted("/each")
    (old,) = secrets_of(keys[0])

    async def repeated() -> bool:
        return any(int(message.headers["x-attempt"]) > 2 for message in flow.world.webhooks.by_job[first])

    await ask_until(repeated, "a third attempt")
    flow.world.webhooks.status.clear()
    messages = flow.world.webhooks.by_job[first]
    assert {message.kind for message in messages} == {"direct", "error"}
    assert all(signed_by(message, old) for message in messages)
    assert len({message.headers["webhook-signature"] for message in messages}) >= 2

    await generate("webhook-secret", keys[0], "--rotate")
    new, still = secrets_of(keys[0])
    assert still == old

    async def rotated() -> Message | None:
        message = await flow.message(await flow.accepted("/all"))
        assert signed_by(message, old)
        return message if signed_by(message, new) else None

    message = await ask_until(rotated, "a message that is signed by the new secret too")
    assert (message.kind, len(message.headers["webhook-signature"].split(" "))) == ("aggregate", 2)


async def test_an_endpoint_of_its_own_keys_is_verified_by_what_the_gateway_publishes(flow: Flow) -> None:
    job = await flow.accepted("/all", hook=f"{flow.world.webhooks.url}/partner/1.0/results")
    message = await flow.message(job)
    url = flow.replica.ports.gateway_url
    answer = await flow.world.client.send("GET", url + "/orders/1.0/_keys")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    (key,) = answer.json["keys"]
    (signature,) = message.headers["webhook-signature"].split(" ")
    assert signature.startswith("v1a,")
    content = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    public = Ed25519PublicKey.from_public_bytes(b64decode(key["webhook_key"].removeprefix("whpk_")))
    public.verify(b64decode(signature.removeprefix("v1a,")), content)
    again = await flow.world.client.send("GET", url + "/_keys", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert (await flow.world.client.send("HEAD", url + "/_keys")).body == b""
    assert (await flow.world.client.send("POST", url + "/_keys")).status in {400, 404}
