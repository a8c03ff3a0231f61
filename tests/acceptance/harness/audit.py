"""The audit of a load: every accepted job ended, in one message for each service, with the right bytes."""

from base64 import b64decode
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.acceptance.harness.load import Load, Offer, result_of
from tests.acceptance.harness.waiting import PATIENCE, ask_until
from tests.acceptance.harness.webhooks import Message

SERVICES = ("billing", "stock")
OPEN = (
    "SELECT 'invocation' AS what, job_id, service, worker, claim, takeovers, attempts, unsure, next_attempt_at AS due,"
    " acknowledged_at, last_reason FROM invocation WHERE outcome IS NULL"
    " UNION ALL SELECT 'delivery', job_id, service, worker, claim, takeovers, attempts, NULL, due_at, NULL, last_reason"
    " FROM delivery WHERE state = 'open'"
)
BAD = (
    "SELECT 'invocation' AS what, job_id, service, last_reason FROM invocation WHERE outcome <> 'result'"
    " UNION ALL SELECT 'delivery', job_id, service, last_reason FROM delivery WHERE state <> 'delivered'"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What an audit counted."""

    jobs: int
    messages: int
    repeated: int  # messages that came more than once, under the same id


async def query(dsn: str, statement: str, *arguments: object) -> list[dict[str, Any]]:
    """Ask the ledger's database directly."""
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def until_settled(dsn: str, *, timeout: float = PATIENCE) -> None:
    """Wait until the ledger has nothing unfinished."""
    rows: list[dict[str, Any]] = []

    async def settled() -> bool:
        rows[:] = await query(dsn, OPEN)
        return not rows

    try:
        await ask_until(settled, "a ledger with nothing unfinished", timeout=timeout)
    except AssertionError as error:
        error.add_note(f"{len(rows)} unfinished rows, such as:")
        for row in rows[:5]:
            error.add_note(f"  {row}")
        raise


async def audit(dsn: str, load: Load, *, timeout: float = PATIENCE) -> Findings:
    """Check a load that is over; wait until everything ended."""
    await until_settled(dsn, timeout=timeout)
    assert await query(dsn, BAD) == []
    messages = load.world.webhooks.by_job
    lost = {job: expected(job, offer) - ids(messages[job]) for job, offer in load.accepted.items()}
    assert {job: missing for job, missing in lost.items() if missing} == {}
    check_one_id_each(load)
    check_one_job_a_key(load)
    for job, offer in load.accepted.items():
        for message in messages[job]:
            check_body(message, offer)
    every = [message.id for found in messages.values() for message in found]
    return Findings(jobs=len(load.accepted), messages=len(every), repeated=len(every) - len(set(every)))


def expected(job: str, offer: Offer) -> set[str]:
    names = ("all",) if offer.aggregated else SERVICES
    return {f"{job}:{name}:succeeded" for name in names}


def ids(messages: list[Message]) -> set[str]:
    return {message.id for message in messages}


def check_one_id_each(load: Load) -> None:
    """Never two terminal messages for one job and service, accepted or not."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for message in load.world.webhooks.messages:
        found[message.job_id, message.service].add(message.id)
    assert {key: several for key, several in found.items() if len(several) != 1} == {}


def check_one_job_a_key(load: Load) -> None:
    """A request that was repeated with its key is one job: its key travels as correlation id."""
    jobs = {(message.headers["x-correlation-id"], message.job_id) for message in load.world.webhooks.messages}
    several = [key for key, count in Counter(key for key, _ in jobs).items() if count > 1]
    assert several == []


def check_body(message: Message, offer: Offer) -> None:
    assert message.headers["x-correlation-id"] == offer.key
    if offer.aggregated:
        parts: Any = message.json["results"]
        bodies = {part["service"]: b64decode(part["body_base64"]) for part in parts}
        assert bodies == {name: result_of(name, offer.body) for name in SERVICES}
    else:
        assert message.body == result_of(message.service, offer.body)
