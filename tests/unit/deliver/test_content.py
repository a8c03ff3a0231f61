"""What a message is sent as: directly, by a link, in the caller's own upload, or as an aggregate."""

from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
import pytest

from sidecar.deliver.content import READ_AT_ONCE, Content, Contents, Message
from sidecar.model.handed import Handed
from sidecar.model.outcome import MessageKind
from sidecar.model.shape import Shape, Shapes
from sidecar.offload.errors import OffloadUnavailable
from tests.unit.builders import JOB, NOW, make_delivery, make_retry, make_stored
from tests.unit.deliver.bench import Ledger, Store

BODY = b'{"total": 1}'
STORED = make_stored(BODY).dump()
LARGE = make_stored(b"x" * 1999).dump()
LINK = {
    "url": f"https://store.example/{JOB}/billing?signed",
    "expires_at": NOW.isoformat(),
    "refresh_url": f"https://gw.example/orders/1.0/_jobs/{JOB}/results/billing",
}


def contents(
    store: Store | None, *, inline_small: bool = True, direct: int = 1024, ledger: Ledger | None = None
) -> Contents:
    shapes = Shapes(Shape(1024), {make_delivery().endpoint: Shape(direct)})
    return Contents(parts=ledger or Ledger(), store=store, shapes=shapes, inline_small=inline_small)


def read(content: Content) -> Any:
    assert content.headers == b"content-type: application/json"
    return orjson.loads(content.body)


@pytest.mark.parametrize("message", [make_delivery(), make_retry(), make_delivery(kind=MessageKind.ERROR)])
@pytest.mark.parametrize("store", [None, Store()])
async def test_what_lies_in_the_ledger_alone_is_sent_byte_for_byte(message: Message, store: Store | None) -> None:
    content = await contents(store).of(message)
    assert content == Content(message.kind, message.headers, message.body)


async def test_a_retry_is_an_indirect_message_with_its_small_body_along() -> None:
    content = await contents(Store()).of(make_retry(stored=STORED))
    document = read(content)
    assert content.kind is MessageKind.INDIRECT
    assert (document["type"], document["job_id"], document["service"]) == ("indirect_result", str(JOB), "billing")
    assert (document["size"], document["sha256"]) == (len(BODY), sha256(BODY).hexdigest())
    assert document["download"] == LINK
    assert b64decode(document["inline"]["body_base64"]) == BODY
    assert "upload" not in document


@pytest.mark.parametrize(("inline_small", "body"), [(False, BODY), (True, b"")])
async def test_no_body_travels_along_by_the_setting_or_when_it_is_large(*, inline_small: bool, body: bytes) -> None:
    document = read(await contents(Store(), inline_small=inline_small).of(make_retry(stored=LARGE, body=body)))
    assert "inline" not in document
    assert document["size"] == 1999


async def test_a_large_result_is_linked_at_its_first_attempt() -> None:
    message = replace(make_delivery(stored=LARGE, body=b""), links_base="https://gw.example/orders/1.0")
    content = await contents(Store()).of(message)
    assert (content.kind, read(content)["download"]) == (MessageKind.INDIRECT, LINK)


@pytest.mark.parametrize("kind", [MessageKind.ERROR, MessageKind.INDIRECT])
async def test_errors_and_what_a_service_linked_by_itself_stay_what_they_are(kind: MessageKind) -> None:
    retry = make_retry(kind=kind, stored=STORED)
    assert await contents(Store()).of(retry) == Content(kind, retry.headers, retry.body)


async def test_a_small_body_is_sent_directly_while_it_cannot_be_linked() -> None:
    store = Store()
    store.away = True
    for message in (make_retry(stored=STORED), make_retry(stored=STORED, upload_url="https://caller.example/put")):
        assert (await contents(store).of(message)).body == BODY
    assert (await contents(None).of(make_retry(stored=STORED))).kind is MessageKind.DIRECT


@pytest.mark.parametrize("there", [True, False])
async def test_a_large_body_that_cannot_be_linked_is_not_sent_as_nothing(*, there: bool) -> None:
    store = Store()
    store.away = True
    with pytest.raises(OffloadUnavailable):
        await contents(store if there else None).of(make_retry(stored=LARGE, body=b""))


async def test_a_result_goes_to_the_callers_own_upload_url() -> None:
    message = make_retry(stored=LARGE, body=b"", upload_url="https://caller.example/put?signed")
    document = read(await contents(Store()).of(message))
    assert document["upload"] == {"url": "https://caller.example/put", "etag": "e-9"}
    assert not {"download", "upload_failed"} & set(document)


async def test_an_upload_that_failed_is_told_and_replaced_by_a_link() -> None:
    store = Store()
    store.handed = Handed(failure="upload_refused")
    message = make_retry(stored=LARGE, body=b"", upload_url="https://caller.example/put?signed")
    document = read(await contents(store).of(message))
    assert (document["upload_failed"], document["download"]) == ("upload_refused", LINK)
    assert "upload" not in document


async def test_what_is_refused_directly_is_stored_and_linked_instead() -> None:
    store = Store()
    retry = make_retry()
    direct = Content(retry.kind, retry.headers, retry.body)
    other = await contents(store).instead(retry, direct)
    assert other is not None
    assert (other.kind, store.kept) == (MessageKind.INDIRECT, [retry])
    assert read(other)["sha256"] == sha256(BODY).hexdigest()


@pytest.mark.parametrize("kind", [MessageKind.ERROR, MessageKind.INDIRECT, MessageKind.AGGREGATE])
async def test_nothing_else_can_be_sent_in_another_way(kind: MessageKind) -> None:
    assert await contents(Store()).instead(make_retry(), Content(kind, b"", b"{}")) is None


async def test_nothing_can_be_linked_without_a_store() -> None:
    assert await contents(None).instead(make_retry(), Content(MessageKind.DIRECT, b"", b"{}")) is None


async def test_an_aggregate_links_its_large_parts_afresh_and_carries_the_small() -> None:
    ledger = Ledger()
    ledger.rows += [replace(ledger.rows[0], service="scans", body=b"", stored=LARGE)]
    content = await contents(Store(), ledger=ledger).of(make_retry(service="", kind=MessageKind.AGGREGATE, body=b""))
    small, large = read(content)["results"]
    assert (content.kind, small["body"]) == (MessageKind.AGGREGATE, [1])
    assert large["download"]["refresh_url"].endswith(f"/_jobs/{JOB}/results/scans")
    assert large["download"]["url"].startswith("https://store.example/")
    assert (large["size"], "body" in large) == (1999, False)


async def test_a_body_that_is_more_than_its_endpoint_takes_is_stored_and_linked() -> None:
    store = Store()
    message = make_delivery()
    content = await contents(store, direct=len(BODY) - 1).of(message)
    assert (content.kind, store.kept) == (MessageKind.INDIRECT, [message])
    assert "inline" not in read(content)
    assert (await contents(store, direct=len(BODY)).of(message)).kind is MessageKind.DIRECT
    store.away = True
    with pytest.raises(OffloadUnavailable):
        await contents(store, direct=1).of(message)


async def test_an_endpoint_that_takes_more_is_sent_a_stored_body_directly_at_first() -> None:
    store, body = Store(), b"x" * 1999
    stored = make_stored(body)
    store.bodies[stored.key] = body
    made = contents(store, direct=1999)
    content = await made.of(make_delivery(stored=LARGE, body=b""))
    assert content == Content(MessageKind.DIRECT, make_delivery().headers, body, held=1999)
    made.done(content)
    assert (await made.of(make_retry(stored=LARGE, body=b""))).kind is MessageKind.INDIRECT
    refused = await made.instead(make_delivery(stored=LARGE, body=b""), content)
    assert refused is not None
    assert (refused.kind, store.kept) == (MessageKind.INDIRECT, [])


async def test_stored_bodies_that_are_sent_directly_wait_for_room_in_memory() -> None:
    store = Store()
    half = make_stored(b"", size=READ_AT_ONCE // 2 + 1)
    store.bodies[half.key] = b""
    made = contents(store, direct=READ_AT_ONCE)
    message = make_delivery(stored=half.dump(), body=b"")
    first = await made.of(message)
    with pytest.raises(OffloadUnavailable):
        await made.of(message)
    made.done(first)
    assert (await made.of(message)).kind is MessageKind.DIRECT


async def test_what_was_put_to_the_upload_url_before_is_told_without_the_url() -> None:
    store = Store()
    message = make_retry(stored=LARGE, body=b"", uploaded=store.handed.dump())
    assert read(await contents(store).of(message))["upload"] == {"url": "https://caller.example/put", "etag": "e-9"}


def many_parts() -> Ledger:
    ledger = Ledger()
    first = ledger.rows[0]
    ledger.rows = [replace(first, service=name, body=b'"' + b"1" * 600 + b'"') for name in ("a", "b", "c")]
    return ledger


AGGREGATE = make_retry(service="", kind=MessageKind.AGGREGATE, body=b"")


async def test_small_parts_travel_inside_an_aggregate_up_to_the_threshold_in_total() -> None:
    ledger, store = many_parts(), Store()
    first, second, third = read(await contents(store, ledger=ledger).of(AGGREGATE))["results"]
    assert ["body" in part for part in (first, second, third)] == [True, False, False]
    assert store.kept == ledger.rows[1:]
    assert second["download"]["refresh_url"].endswith("/results/b")
    store.kept.clear()
    ledger.rows[1:] = [replace(part, copy=STORED) for part in ledger.rows[1:]]
    await contents(store, ledger=ledger).of(AGGREGATE)
    assert store.kept == []  # they were stored for an earlier attempt
    store.away = True
    ledger.rows[1:] = [replace(part, copy=None) for part in ledger.rows[1:]]
    assert all("body" in part for part in read(await contents(store, ledger=ledger).of(AGGREGATE))["results"])


async def test_a_large_aggregate_goes_to_the_callers_own_upload_url() -> None:
    ledger, store = many_parts(), Store()
    store.handed = Handed(url="https://caller.example/put", etag="e-9", size=1900, sha256="ab" * 32)
    message = replace(AGGREGATE, upload_url="https://caller.example/put?signed")
    content = await contents(store, ledger=ledger).of(message)
    document = read(content)
    assert (content.kind, document["type"], document["service"]) == (MessageKind.INDIRECT, "indirect_result", None)
    assert document["upload"] == {"url": "https://caller.example/put", "etag": "e-9"}
    assert (document["size"], document["sha256"], document["content_type"]) == (1900, "ab" * 32, "application/json")
    assert (store.whole, store.kept) == (ledger.rows, [])


async def test_a_small_aggregate_needs_no_upload_and_a_failed_one_is_told() -> None:
    store = Store()
    message = replace(AGGREGATE, upload_url="https://caller.example/put?signed")
    assert (await contents(store).of(message)).kind is MessageKind.AGGREGATE
    assert store.put == []
    store.handed = Handed(failure="upload_expired")
    document = read(await contents(store, ledger=many_parts()).of(message))
    assert (document["type"], document["upload_failed"]) == ("aggregate_result", "upload_expired")


async def test_an_aggregate_that_was_put_before_is_not_put_together_again() -> None:
    ledger = Ledger()
    ledger.readable = False
    handed = Handed(url="https://caller.example/put", etag="e-9", size=1900, sha256="ab" * 32)
    content = await contents(Store(), ledger=ledger).of(replace(AGGREGATE, uploaded=handed.dump()))
    assert (content.kind, read(content)["size"]) == (MessageKind.INDIRECT, 1900)
