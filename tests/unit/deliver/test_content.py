"""What a message is sent as: directly, by a link, in the caller's own upload, or as an aggregate."""

from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
import pytest

from sidecar.deliver.content import Content, Contents, Message
from sidecar.model.outcome import MessageKind
from sidecar.offload.errors import OffloadUnavailable
from tests.unit.builders import JOB, NOW, make_delivery, make_retry, make_stored
from tests.unit.deliver.bench import Ledger, Store

BODY = b'{"total": 1}'
STORED = make_stored(BODY).dump()
LARGE = make_stored(b"x" * 999).dump()
LINK = {
    "url": f"https://store.example/{JOB}/billing?signed",
    "expires_at": NOW.isoformat(),
    "refresh_url": f"https://gw.example/orders/1.0/_jobs/{JOB}/results/billing",
}


def contents(store: Store | None, *, inline_small: bool = True) -> Contents:
    return Contents(parts=Ledger(), store=store, inline_small=inline_small)


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
    assert document["size"] == 999


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
    store.handed = "status_403"
    message = make_retry(stored=LARGE, body=b"", upload_url="https://caller.example/put?signed")
    document = read(await contents(store).of(message))
    assert (document["upload_failed"], document["download"]) == ("status_403", LINK)
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
    made = Contents(parts=ledger, store=Store(), inline_small=True)
    content = await made.of(make_retry(service="", kind=MessageKind.AGGREGATE, body=b""))
    small, large = read(content)["results"]
    assert (content.kind, small["body"]) == (MessageKind.AGGREGATE, [1])
    assert large["download"]["refresh_url"].endswith(f"/_jobs/{JOB}/results/scans")
    assert large["download"]["url"].startswith("https://store.example/")
    assert (large["size"], "body" in large) == (999, False)
