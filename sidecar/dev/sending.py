"""Behind ``sidecar send``: one job, and what comes of it."""

import json
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, InvalidURL
from multidict import CIMultiDict

from sidecar.dev.listening import show_downloads, show_message
from sidecar.dev.narrator import Narrator
from sidecar.dev.render import answer_lines, body_lines, header_lines
from sidecar.dev.webhook import GENUINE, Message, Webhook
from sidecar.model.webhook_signature import Verifier

ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Sample:
    """The request to send. ``timeout`` (seconds) bounds the answer, and then the messages."""

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to receive the messages, and whether to download and verify what they link."""

    host: str
    port: int
    download: bool = True
    key: Verifier | None = None  # verifies signatures


async def send_sample(
    sample: Sample, *, callback_url: str | None, wait: int | None, listening: Listening | None
) -> int:
    """Send the sample, show the answer, wait for the messages when ``listening``; give the exit status."""
    narrator = Narrator()
    if listening is None:
        return 0 if await _send(sample, callback_url or "", wait, narrator) is not None else 1
    webhook = Webhook(
        lambda message: show_message(narrator, message),
        followed=(lambda message: show_downloads(narrator, message)) if listening.download else None,
        host=listening.host,
        port=listening.port,
        key=listening.key,
    )
    try:
        await webhook.start()
    except OSError as error:
        narrator.tell("webhook", f"cannot listen: {error}")
        return 1
    try:
        job_id = await _send(sample, callback_url or webhook.url, wait, narrator)
        if job_id is None:
            return 1
        came = await webhook.inbox.until(lambda messages: complete(messages, job_id), timeout=sample.timeout)
    finally:
        await webhook.stop()
    narrator.tell("you", "every message came" if came else f"not every message came within {sample.timeout:g} s")
    usable = not any(download.trouble for message in webhook.inbox.messages for download in message.downloads)
    genuine = all(message.signed in {None, GENUINE} for message in webhook.inbox.messages)
    return 0 if came and usable and genuine else 1


def complete(messages: list[Message], job_id: str) -> bool:
    """Tell whether a job's messages are all there: its aggregate, or as many as it has services."""
    own = [message for message in messages if message.job_id == job_id]
    total = max(
        (int(value) for one in own if (value := one.headers.get("x-services-total", "")).isdecimal()), default=1
    )
    return any(one.kind == "aggregate" for one in own) or len(own) >= total


async def _send(sample: Sample, callback_url: str, wait: int | None, narrator: Narrator) -> str | None:
    """Give the job's id when it was accepted."""
    headers = CIMultiDict(sample.headers)
    headers["callback-url"] = callback_url
    headers.setdefault("content-type", "application/json")
    if wait is not None:
        headers["prefer"] = f"wait={wait}"
    narrator.tell("you", f"{sample.method} {sample.url}", header_lines(headers.items(), every=True))
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=sample.timeout)) as session,
            session.request(sample.method, sample.url, data=sample.body, headers=headers) as response,
        ):
            body = await response.read()
    except (ClientError, InvalidURL, TimeoutError) as error:
        narrator.tell("sidecar", f"no answer: {type(error).__name__} {error}")
        return None
    shown = answer_lines(_document(body)) or body_lines(body)
    narrator.tell(
        "sidecar", f"answers {response.status} {response.reason}", [*header_lines(response.headers.items()), *shown]
    )
    job_id = response.headers.get("x-job-id")
    if response.status == ACCEPTED and job_id is None:
        # A gateway may make an empty 202 of its own; only this header says that a job was stored.
        narrator.tell("sidecar", "a 202 without x-job-id is not an acceptance")
    return job_id if response.status == ACCEPTED else None


def _document(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
