"""A webhook for people follows the links of messages, and says whether they lead to what the message says."""

import zlib
from hashlib import sha256
from typing import Any, Self

import orjson
import pytest
import zstandard
from aiohttp import ClientSession, web

from sidecar.dev.loopback import LoopbackServer
from sidecar.dev.sending import Listening, Sample, send_sample
from sidecar.dev.webhook import Message, Webhook

BODY = b'{"pages": "' + b"0123456789" * 50_000 + b'"}'
GZIP = zlib.compress(BODY, wbits=31)
ZSTD = zstandard.compress(BODY)
OBJECTS = {
    "/gzip": (GZIP, {"content-encoding": "gzip"}),
    "/zstd": (ZSTD, {"content-encoding": "zstd"}),
    "/file.gz": (GZIP, {}),
    "/plain": (BODY, {}),
    "/broken": (b"no gzip", {"content-encoding": "gzip"}),
}


class Store:
    """An object store of a few lines: it serves what is above."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/{key}", self._get)
        self.server = LoopbackServer(app)

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    async def _get(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        if request.path not in OBJECTS:
            return web.Response(status=403)
        body, headers = OBJECTS[request.path]
        return web.Response(body=body, headers=headers)


def indirect(url: str, stored: bytes = GZIP, **over: Any) -> dict[str, Any]:
    return {
        "type": "indirect_result",
        "service": "billing",
        "sha256": sha256(BODY).hexdigest(),
        "stored_sha256": sha256(stored).hexdigest(),
        "download": {"url": url},
        **over,
    }


async def told(document: Any, *, status: int = 204, follows: bool = True) -> list[Message]:
    """Post a message to a webhook; what it kept."""
    told_of: list[Message] = []
    webhook = Webhook(lambda _: None, followed=told_of.append if follows else None, status=status)
    await webhook.start()
    try:
        async with ClientSession() as session:
            await session.post(webhook.url, data=orjson.dumps(document), headers={"webhook-id": "w"})
        await webhook.inbox.until(bool, timeout=60 if status < 300 else 0)
    finally:
        await webhook.stop()
    assert told_of == [message for message in webhook.inbox.messages if message.downloads]
    return webhook.inbox.messages


@pytest.mark.parametrize(("key", "stored"), [("gzip", GZIP), ("zstd", ZSTD), ("file.gz", GZIP), ("plain", BODY)])
async def test_a_body_is_downloaded_and_either_digest_will_do(key: str, stored: bytes) -> None:
    async with Store() as store:
        (message,) = await told(indirect(f"{store.server.url}/{key}?a=%2Fb%3D", stored))
        assert store.asked == [f"/{key}?a=%2Fb%3D"]  # quoted as it was signed
    (download,) = message.downloads
    assert download.trouble is None
    assert download.stored_size == len(stored)
    if key != "file.gz":
        assert (download.size, download.digest) == (len(BODY), sha256(BODY).hexdigest())
        assert BODY.startswith(download.beginning)
        assert "downloaded 500,013 bytes" in download.summary()


@pytest.mark.parametrize(
    ("key", "over", "words"),
    [
        ("gzip", {"sha256": "0" * 64, "stored_sha256": "0" * 64}, "neither digest"),
        ("missing", {}, "answered 403"),
        ("broken", {}, "cannot be decoded"),
    ],
)
async def test_a_body_that_is_not_what_the_message_says_is_told(key: str, over: dict[str, Any], words: str) -> None:
    async with Store() as store:
        (message,) = await told(indirect(f"{store.server.url}/{key}?signature=hush", **over))
    (download,) = message.downloads
    assert words in (download.trouble or "")
    assert "hush" not in download.summary()


async def test_a_link_that_leads_nowhere_is_told() -> None:
    for url in ("http://127.0.0.1:1/x", "nonsense"):
        (message,) = await told(indirect(url))
        assert message.downloads[0].trouble


async def test_every_part_of_an_aggregate_is_followed() -> None:
    async with Store() as store:
        parts = [indirect(f"{store.server.url}/gzip", service=name) for name in ("billing", "stock")]
        parts.append({"service": "risk", "body": {"n": 1}})
        (message,) = await told({"type": "aggregate_result", "results": parts})
    assert [(one.service, one.trouble) for one in message.downloads] == [("billing", None), ("stock", None)]


async def test_nothing_is_followed_when_not_asked_for_refused_or_not_linked() -> None:
    async with Store() as store:
        document = indirect(f"{store.server.url}/gzip")
        assert [one.downloads for one in await told(document, follows=False)] == [()]
        assert not await told(document, status=503)
        assert [one.downloads for one in await told({"type": "indirect_result", "upload": {"url": "u"}})] == [()]
        assert [one.downloads for one in await told([1, 2])] == [()]
        assert [one.downloads for one in await told({**document, "type": "something else"})] == [()]
        assert not store.asked


async def test_a_webhook_can_be_away_for_a_while_at_one_address() -> None:
    seen: list[Message] = []
    webhook = Webhook(seen.append)
    await webhook.start()
    try:
        away = webhook.be_away("away", times=2)
        async with ClientSession() as session:
            for url in (webhook.url, away, away, away):
                async with session.post(url, headers={"webhook-id": url}):
                    pass
    finally:
        await webhook.stop()
    assert [message.answer for message in seen] == [204, 503, 503, 204]
    assert [message.pause is None for message in seen] == [True, True, False, False]
    assert [message.path for message in webhook.inbox.messages] == ["/webhook", "/webhook/away"]


@pytest.mark.parametrize(
    ("key", "download", "status"), [("gzip", True, 0), ("missing", True, 1), ("missing", False, 0)]
)
async def test_sending_one_ends_well_only_with_a_usable_link(key: str, *, download: bool, status: int) -> None:
    async with Store() as store:

        async def accept(request: web.Request) -> web.Response:
            headers = {"x-job-id": "j1", "x-result-kind": "indirect", "webhook-id": "w"}
            async with ClientSession() as session:
                document = orjson.dumps(indirect(f"{store.server.url}/{key}"))
                await session.post(request.headers["callback-url"], headers=headers, data=document)
            return web.Response(status=202, headers={"x-job-id": "j1"})

        app = web.Application()
        app.router.add_post("/", accept)
        gateway = LoopbackServer(app)
        await gateway.start()
        sample = Sample(url=gateway.url, method="POST", headers=(), body=b"{}", timeout=60.0)
        try:
            listening = Listening("127.0.0.1", 0, download=download)
            assert await send_sample(sample, callback_url=None, wait=None, listening=listening) == status
        finally:
            await gateway.stop()
