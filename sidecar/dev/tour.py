"""A guided tour: sample jobs run through a sidecar with the demo routes, told as they happen, and checked."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from multidict import CIMultiDictProxy

from sidecar.dev.narrator import Narrator
from sidecar.dev.render import answer_lines, body_lines, header_lines
from sidecar.dev.services import large_result
from sidecar.dev.webhook import GENUINE, Inbox, Message, Webhook

PATIENCE = 30.0  # seconds for the messages of one step
ORDER = {"customer": "Ada", "lines": [{"sku": "A-100", "quantity": 2}, {"sku": "B-7", "quantity": 1}]}


@dataclass(frozen=True, slots=True)
class Expected:
    """A message that must arrive. ``service`` is empty for the aggregate."""

    service: str
    kind: str
    status: str

    def __str__(self) -> str:
        return f"{self.kind} message of {self.service or 'all services'} ({self.status})"


@dataclass(frozen=True, slots=True)
class Step:
    """One sample request: what it shows, and what must come of it."""

    title: str
    path: str
    status: int
    messages: tuple[Expected, ...] = ()
    twice: bool = False  # sent again with the same idempotency key
    away: int = 0  # how often the webhook answers 503 before it takes the message
    large: bool = False  # the result must be the archive's, byte for byte
    revoked: bool = False  # the service user's token is revoked before


STEPS = (
    Step(
        "Three services, a message from each: one calls back, one answers at once, one refuses",
        "/demo/orders/7/report",
        202,
        (
            Expected("billing", "direct", "succeeded"),
            Expected("stock", "direct", "succeeded"),
            Expected("risk", "error", "failed"),
        ),
    ),
    Step(
        "Every service refuses: the caller learns it at once (502), and the webhook hears nothing",
        "/demo/orders/8/credit",
        502,
    ),
    Step(
        "Two services, gathered: one message when both have answered",
        "/demo/orders/9/summary",
        202,
        (Expected("", "aggregate", "succeeded"),),
    ),
    Step(
        "The same request twice with one idempotency key: one job, one message",
        "/demo/orders/10/invoice",
        202,
        (Expected("billing", "direct", "succeeded"),),
        twice=True,
    ),
    Step(
        "A webhook that is away: it answers 503 three times; the sidecar comes again after 1 s, 2 s and 4 s",
        "/demo/orders/11/invoice",
        202,
        (Expected("billing", "indirect", "succeeded"),),
        away=3,
    ),
    Step(
        "A result of 20 MB: it goes to the object store, the webhook gets a link and downloads it",
        "/demo/orders/12/archive",
        202,
        (Expected("archive", "indirect", "succeeded"),),
        large=True,
    ),
    Step(
        "A revoked token: the webhook says 401, the sidecar gets another one and sends again at once",
        "/demo/orders/13/invoice",
        202,
        (Expected("billing", "direct", "succeeded"),),
        revoked=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway listener answered."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """Read the body as a JSON object; empty when it is none."""
        try:
            value = orjson.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class TourResult:
    """How many messages came of those expected, and all that was not as it should be."""

    received: int
    expected: int
    troubles: tuple[str, ...]

    def summary(self) -> str:
        """Say it in one line."""
        return f"tour: {self.received} of {self.expected} messages received" + (
            ", everything as it should be" if not self.troubles else f", {len(self.troubles)} not as it should be"
        )


async def take_tour(
    gateway_url: str, *, webhook: Webhook, narrator: Narrator, revoke: Callable[[], None]
) -> TourResult:
    """Run every step against the gateway listener at ``gateway_url`` and check what ``webhook`` receives.

    ``revoke`` takes the service user's token away.
    """
    run = secrets.token_hex(4)
    ids = {step: f"tour-{run}-{number}" for number, step in enumerate(STEPS, start=1)}
    troubles: list[str] = []
    async with ClientSession(gateway_url, timeout=ClientTimeout(total=30)) as session:
        for number, step in enumerate(STEPS, start=1):
            narrator.title(f"{number} of {len(STEPS)}. {step.title}")
            if step.revoked:
                revoke()
            callback_url = webhook.be_away(ids[step], times=step.away) if step.away else webhook.url
            headers = {"callback-url": callback_url, "x-correlation-id": ids[step]}
            try:
                troubles += await _take(step, headers, session=session, narrator=narrator)
            except (ClientError, TimeoutError) as error:
                troubles.append(f"{step.path}: no answer ({type(error).__name__})")
                continue
            await _arrival(step, ids[step], webhook.inbox)
            received = [one for one in webhook.inbox.messages if one.correlation_id == ids[step]]
            troubles += _links(step, received) + _signatures(step, received)
            troubles += [f"{step.path}: {one.kind} without its service user" for one in received if not one.user]
    narrator.title("What came of it")
    return judge({ids[step]: step.messages for step in STEPS}, webhook.inbox.messages, troubles)


def judge(wanted: dict[str, tuple[Expected, ...]], messages: list[Message], troubles: list[str]) -> TourResult:
    """Compare the messages received with those ``wanted``, by correlation id; others are not the tour's."""
    want = Counter((one, message) for one, expected in wanted.items() for message in expected)
    got = Counter(
        (message.correlation_id, Expected(message.service, message.kind, message.status))
        for message in messages
        if message.correlation_id in wanted
    )
    missing = [f"missing: {message}" for _, message in (want - got).elements()]
    surplus = [f"not expected: {message}" for _, message in (got - want).elements()]
    return TourResult((want & got).total(), want.total(), (*troubles, *missing, *surplus))


async def _take(step: Step, headers: dict[str, str], *, session: ClientSession, narrator: Narrator) -> list[str]:
    if step.twice:
        headers = {**headers, "idempotency-key": headers["x-correlation-id"]}
    first = await _send(step, headers, session=session, narrator=narrator)
    troubles = _unlike(step, first)
    if step.twice and not troubles:
        narrator.tell("you", "send the very same request again, as after a lost answer")
        second = await _send(step, headers, session=session, narrator=narrator)
        troubles = _unlike(step, second)
        if second.headers.get("idempotency-replayed") != "true":
            troubles.append(f"{step.path}: the second answer does not say idempotency-replayed")
        if second.document().get("job_id") != first.document().get("job_id"):
            troubles.append(f"{step.path}: the second answer names another job")
    return troubles


async def _send(step: Step, headers: dict[str, str], *, session: ClientSession, narrator: Narrator) -> Answer:
    narrator.tell("you", f"POST {step.path}", header_lines(headers.items(), every=True))
    async with session.post(step.path, json=ORDER, headers=headers) as response:
        answer = Answer(response.status, response.headers, await response.read())
    shown = answer_lines(answer.document()) or body_lines(answer.body)
    narrator.tell(
        "sidecar", f"answers {response.status} {response.reason}", [*header_lines(answer.headers.items()), *shown]
    )
    return answer


def _unlike(step: Step, answer: Answer) -> list[str]:
    if answer.status != step.status:
        return [f"{step.path}: answered {answer.status}, expected {step.status}"]
    # A 202 without x-job-id is not an acceptance: gateways can make one of their own.
    if answer.status == 202 and "x-job-id" not in answer.headers:  # noqa: PLR2004 - Accepted
        return [f"{step.path}: a 202 without x-job-id"]
    return []


def _signatures(step: Step, messages: list[Message]) -> list[str]:
    """Tell of messages that are not signed as they should be."""
    return [f"{step.path}: signature {one.signed}" for one in messages if one.signed not in {None, GENUINE}]


def _links(step: Step, messages: list[Message]) -> list[str]:
    """Tell what is wrong with the bodies that messages link."""
    troubles = [
        f"{step.path}: {download.trouble}" for one in messages for download in one.downloads if download.trouble
    ]
    troubles += [f"{step.path}: no link" for one in messages if one.kind == "indirect" and not one.downloads]
    if step.large and messages:
        digest = sha256(large_result(step.path.split("/")[3])).hexdigest()
        if [download.digest for one in messages for download in one.downloads] != [digest]:
            troubles.append(f"{step.path}: the webhook did not get what the service sent")
    return troubles


async def _arrival(step: Step, correlation_id: str, inbox: Inbox) -> None:
    def enough(messages: list[Message]) -> bool:
        return sum(message.correlation_id == correlation_id for message in messages) >= len(step.messages)

    await inbox.until(enough, timeout=PATIENCE)
