"""Whether messages bring the right bytes, directly, inside an aggregate, or behind a link."""

from base64 import b64decode
from hashlib import sha256
from typing import Any

from tests.acceptance.harness.audit import SERVICES
from tests.acceptance.harness.load import Load, Offer, result_of
from tests.acceptance.harness.webhooks import Message


async def check_bodies(load: Load, message: Message, offer: Offer) -> int:
    """Compare what a message brings or links; tell how many bodies lay in the store."""
    document: Any = message.json if message.kind in {"indirect", "aggregate"} else {}
    parts = document["results"] if message.kind == "aggregate" else [{**document, "service": message.service}]
    linked = 0
    for part in parts:
        wanted = result_of(part["service"], offer.body)
        if "download" in part:
            linked += part["size"] > 16 * 1024
            await check_link(load, part, wanted)
        elif message.kind == "aggregate":
            assert b64decode(part["body_base64"]) == wanted
        else:
            assert message.body == wanted
    assert len(parts) == (len(SERVICES) if offer.aggregated else 1)
    return linked


async def check_link(load: Load, part: dict[str, Any], wanted: bytes) -> None:
    """Follow a link; what comes has one of the two digests, and the body has the first."""
    assert part["sha256"] == sha256(wanted).hexdigest()
    answer = await load.world.client.send("GET", part["download"]["url"])
    assert answer.status == 200, answer
    assert sha256(answer.body).hexdigest() in {part["sha256"], part["stored_sha256"]}
