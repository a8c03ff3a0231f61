"""``sidecar send`` and ``sidecar listen`` against a gateway of a few lines, over real sockets."""

import gzip
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import typer
from aiohttp import ClientSession, web

from sidecar.cli.options import verifier_of
from sidecar.dev.loopback import LoopbackServer
from sidecar.dev.sending import Listening, Sample, send_sample
from sidecar.dev.webhook import Message, Webhook
from sidecar.model.webhook_signature import Secret, signature

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def served(handler: Handler) -> LoopbackServer:
    app = web.Application()
    app.router.add_post("/", handler)
    server = LoopbackServer(app)
    await server.start()
    return server


def sample(url: str, *, timeout: float = 60.0) -> Sample:
    return Sample(url=url, method="POST", headers=(("x-a", "b"),), body=b"{}", timeout=timeout)


async def accept_and_deliver(request: web.Request) -> web.Response:
    """Deliver both messages, one of them twice, before the answer."""
    async with ClientSession() as session:
        for service in ("billing", "billing", "stock"):
            headers = {
                "x-job-id": "j1",
                "x-services-total": "2",
                "webhook-id": f"j1:{service}",
                "x-result-kind": "direct",
            }
            headers |= {"x-service": service, "x-result-status": "succeeded"}
            await session.post(request.headers["callback-url"], headers=headers, data=b'{"n": 1}')
    return web.json_response(
        {"job_id": "j1", "status": "invoked", "services": []}, status=202, headers={"x-job-id": "j1"}
    )


async def test_listening_it_ends_well_once_every_message_came(capsys: pytest.CaptureFixture[str]) -> None:
    server = await served(accept_and_deliver)
    try:
        status = await send_sample(sample(server.url), callback_url=None, wait=2, listening=Listening("127.0.0.1", 0))
    finally:
        await server.stop()
    shown = capsys.readouterr().out
    assert status == 0
    assert "every message came" in shown
    assert "prefer: wait=2" in shown
    assert "about the service stock: succeeded" in shown


async def accept_only(_: web.Request) -> web.Response:
    return web.Response(status=202, headers={"x-job-id": "j1"})


async def refuse(_: web.Request) -> web.Response:
    return web.json_response({"title": "No route"}, status=404)


async def empty_acceptance(_: web.Request) -> web.Response:
    return web.Response(status=202)


@pytest.mark.parametrize(
    ("handler", "listening", "status", "words"),
    [
        (accept_only, Listening("127.0.0.1", 0), 1, "not every message came"),
        (accept_only, None, 0, "answers 202"),
        (refuse, Listening("127.0.0.1", 0), 1, "No route"),
        (empty_acceptance, None, 1, "is not an acceptance"),
    ],
)
async def test_the_exit_status_tells_how_it_went(
    handler: Handler, listening: Listening | None, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await served(handler)
    try:
        got = await send_sample(
            sample(server.url, timeout=2.0), callback_url="http://w/", wait=None, listening=listening
        )
    finally:
        await server.stop()
    assert got == status
    assert words in capsys.readouterr().out


async def test_no_answer_is_told_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    assert await send_sample(sample("http://127.0.0.1:1/"), callback_url="http://w/", wait=None, listening=None) == 1
    assert await send_sample(sample("no-url"), callback_url="http://w/", wait=None, listening=None) == 1
    assert capsys.readouterr().out.count("no answer") == 2


async def test_a_webhook_that_answers_503_shows_each_attempt_and_keeps_none() -> None:
    seen: list[Message] = []
    webhook = Webhook(seen.append, status=503)
    await webhook.start()
    try:
        async with ClientSession() as session:
            for _ in range(2):
                async with session.put(webhook.url + "/deep", headers={"webhook-id": "w"}, data=b"x") as answer:
                    assert answer.status == 503
    finally:
        await webhook.stop()
    assert [(one.method, one.path, one.body) for one in seen] == [("PUT", "/webhook/deep", b"x")] * 2
    assert not webhook.inbox.messages


SECRET = f"whsec_{b64encode(bytes(32)).decode()}"


async def sign_and_deliver(request: web.Request) -> web.Response:
    """Deliver one message that is signed, compressed as services may do it."""
    body, now = gzip.compress(b'{"n": 1}'), int(time.time())
    signed = signature([Secret(SECRET)], message_id="j1:billing", timestamp=now, body=body)
    headers = {"x-job-id": "j1", "x-services-total": "1", "x-result-kind": "direct", "x-result-status": "succeeded"}
    headers |= {"webhook-id": "j1:billing", "webhook-timestamp": str(now), "webhook-signature": signed}
    headers |= {"x-service": "billing", "content-encoding": "gzip", "content-type": "application/json"}
    async with ClientSession() as session:
        await session.post(request.headers["callback-url"], headers=headers, data=body)
    return web.json_response({"job_id": "j1"}, status=202, headers={"x-job-id": "j1"})


@pytest.mark.parametrize(
    ("secret", "status", "words"),
    [
        (SECRET, 0, "its signature: genuine"),
        (f"whsec_{b64encode(bytes([1]) * 32).decode()}", 1, "its signature: no signature is of this key"),
        (None, 0, "succeeded"),
    ],
)
async def test_signatures_are_verified_by_the_bytes_that_came(
    secret: str | None, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await served(sign_and_deliver)
    listening = Listening("127.0.0.1", 0, key=verifier_of(secret))
    try:
        assert await send_sample(sample(server.url), callback_url=None, wait=None, listening=listening) == status
    finally:
        await server.stop()
    shown = capsys.readouterr().out
    assert words in shown
    assert '"n": 1' in shown


def test_a_secret_can_stand_in_a_file_and_a_wrong_one_is_told_without_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\nwhsec_older\n")
    assert isinstance(verifier_of(f"@{file}"), Secret)
    for wrong in ("between-us", f"@{tmp_path}/nothing"):
        with pytest.raises(typer.BadParameter) as caught:
            verifier_of(wrong)
        assert "between-us" not in str(caught.value)
