"""Results and aggregates go to the callers' own upload-urls once, and what became of it is remembered."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import orjson
import pytest
from uuid_utils.compat import uuid7

from sidecar.deliver.store import MessageStore
from sidecar.model.delivery import Part
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.handed import Handed
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.retry import Retry
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies, Place
from sidecar.offload.errors import OffloadRefused
from sidecar.offload.store import ObjectStore
from sidecar.outbound.egress import Guarded, make_egress
from sidecar.outbound.sessions import upload_session
from tests.integration.offload.builders import keys_of, noise, read, sha256
from tests.unit.builders import NOW, make_retry
from tests.unit.settings.builders import make_settings

LARGE = noise(1_000_001)
PARTNER = make_retry().endpoint


class Names:
    def __init__(self) -> None:
        self.handed: list[Handed] = []
        self.away = False

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:  # noqa: ARG002 - a protocol
        return stored

    async def uploaded(self, job_id: UUID, handed: bytes) -> None:  # noqa: ARG002 - a protocol
        if self.away:
            raise LedgerUnavailable("away")
        self.handed.append(Handed.load(handed))


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def message_store(real: ObjectStore, names: Names) -> AsyncIterator[MessageStore]:
    bodies = Bodies(real, prefix="sidecar/", places={"/eu": Place(prefix="eu/")})
    shapes = Shapes(Shape(1024), {PARTNER: Shape(1024, "file")})
    over = {"webhook__require_https": False, "webhook__ports": ["1-65535"], "webhook__allow_networks": ["127.0.0.0/8"]}
    egress = make_egress(make_settings(**over))
    async with upload_session(connect_timeout=5, dialling=egress.ways(connect_timeout=5)) as session:
        yield MessageStore(
            bodies,
            names=names,
            shapes=shapes,
            uploads=session,
            guarded=Guarded(egress, told=lambda *_: None),
            upload_timeout=30.0,
        )


async def test_an_address_that_may_not_be_called_gets_no_result(
    message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    handed = await message_store.hand_over(stored, make_retry(upload_url="http://10.0.0.1:9000/own/result", body=b""))
    assert (handed.failure, names.handed) == ("upload_not_allowed", [handed])


@pytest.fixture
async def stored(real: ObjectStore) -> StoredObject:
    return await real.put(LARGE, uuid7(), "billing", content_type="text/csv", coding="gzip")


async def to_own(real: ObjectStore, key: str, **over: object) -> Retry:
    return make_retry(upload_url=(await real.presign_put(key)).url, body=b"", **over)


async def test_a_result_is_put_once_and_told_again_after_that(
    real: ObjectStore, message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    message = await to_own(real, "own/result")
    handed = await message_store.hand_over(stored, message)
    head = await real.head("own/result")
    assert head is not None
    assert (handed.failure, handed.etag, names.handed) == (None, head.etag, [handed])
    assert handed.url == (message.upload_url or "").partition("?")[0]
    await real.delete_keys([(real.bucket, "own/result")])
    again = replace(message, upload_url=None, uploaded=handed.dump())
    assert await message_store.hand_over(stored, again) == handed
    assert await real.head("own/result") is None


async def test_what_can_never_be_put_is_not_tried_again_and_what_may_pass_is(
    real: ObjectStore, message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    message = await to_own(real, "own/refused")
    broken = replace(message, upload_url=(message.upload_url or "")[:-4] + "0000")
    handed = await message_store.hand_over(stored, broken)
    assert handed == Handed(failure="upload_refused")
    assert names.handed == [handed]
    assert await message_store.hand_over(stored, replace(message, uploaded=handed.dump())) == handed
    nobody = replace(message, upload_url="http://127.0.0.1:1/own?X-Amz-SignedHeaders=host")
    assert (await message_store.hand_over(stored, nobody)).failure == "upload_unreachable"
    assert names.handed == [handed]


async def test_an_upload_that_cannot_be_remembered_counts_all_the_same(
    real: ObjectStore, message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    names.away = True
    assert (await message_store.hand_over(stored, await to_own(real, "own/unremembered"))).failure is None


def make_parts(stored: StoredObject) -> list[Part]:
    small = Part(
        "a", "result", ResultStatus.SUCCEEDED, MessageKind.DIRECT, None, b"content-type: application/json", b"[1]", NOW
    )
    return [small, replace(small, service="b", headers=b"content-type: text/csv", body=b"", stored=stored.dump())]


async def test_an_aggregate_is_put_with_all_its_bodies_inside(
    real: ObjectStore, message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    message = await to_own(real, "own/aggregate", service="", kind=MessageKind.AGGREGATE)
    handed = await message_store.hand_over_aggregate(message, make_parts(stored))
    head = await real.head("own/aggregate")
    assert head is not None
    assert (head.size, head.content_type, names.handed) == (handed.size, "application/json", [handed])
    body = await read(real, StoredObject(real.bucket, "own/aggregate", head.size, b"", head.size, b"", None, ""))
    assert sha256(body).hex() == handed.sha256
    first, second = orjson.loads(body)["results"]
    assert (first["body"], second["sha256"]) == ([1], sha256(LARGE).hex())
    again = replace(message, upload_url=None, uploaded=handed.dump())
    assert await message_store.hand_over_aggregate(again, []) == handed


async def test_an_aggregate_whose_part_cannot_be_read_is_no_fault_of_the_callers_url(
    real: ObjectStore, message_store: MessageStore, names: Names, stored: StoredObject
) -> None:
    message = await to_own(real, "own/broken", service="", kind=MessageKind.AGGREGATE)
    await real.delete([stored])
    with pytest.raises(OffloadRefused):
        await message_store.hand_over_aggregate(message, make_parts(stored))
    assert (names.handed, await real.head("own/broken")) == ([], None)


async def test_small_bodies_go_where_their_route_says_and_as_their_endpoint_likes(
    real: ObjectStore, message_store: MessageStore
) -> None:
    job_id = uuid7()
    made = await message_store.keep(make_retry(job_id=job_id, route="/eu", body=b"small"))
    assert made.key.startswith("eu/")
    assert (made.key.endswith(".gz"), made.content_encoding) == (True, None)
    assert await message_store.read(made) == b"small"
    other = await message_store.keep(make_retry(job_id=job_id, endpoint="https://other", body=b"small"))
    assert (other.key.startswith("sidecar/"), other.content_encoding) == (True, "gzip")
    assert await keys_of(real, made.key) == [made.key]
