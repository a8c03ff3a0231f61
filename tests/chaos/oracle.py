"""What callers were promised and what webhooks and services saw; compared when everything is over."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.acceptance.harness.audit import check_one_id_each, check_one_job_a_key, expected, ids, query
from tests.acceptance.harness.bodies import check_bodies
from tests.acceptance.harness.load import Load
from tests.acceptance.harness.webhooks import Message

UNDELIVERED = "SELECT job_id, service, state, last_status, last_reason FROM delivery WHERE state <> 'delivered'"
NO_RESULT = "SELECT job_id, service, outcome, last_reason FROM invocation WHERE outcome IS DISTINCT FROM 'result'"
UNFINISHED = (
    "SELECT 'invocation' AS what, job_id, service, worker, claim, takeovers, unsure, next_attempt_at AS due,"
    " last_reason FROM invocation WHERE outcome IS NULL"
    " UNION ALL SELECT 'delivery', job_id, service, worker, claim, takeovers, NULL, due_at, last_reason"
    " FROM delivery WHERE state IN ('open', 'retrying')"
    " UNION ALL SELECT 'retry', job_id, service, worker, claim, takeovers, NULL, next_attempt_at, last_reason"
    " FROM oas_webhook_retry WHERE state = 'pending'"
)

Answer = Callable[[Message], web.Response]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an oracle counted; none of it is a fault by itself."""

    jobs: int
    messages: int
    doubled: int  # messages that the webhook took more than once, under one id
    calls: int
    repeated: int  # calls that a service got more than once, under one idempotency key
    linked: int  # bodies that came from the object store


def takes(_: Message) -> web.Response:
    """Answer as a healthy webhook does."""
    return web.Response(status=204)


class Oracle:
    """The webhook of all callers: it keeps every message, and knows which it took.

    Args:
        let_in: Tells whether a message shows what the webhook asks for.
    """

    def __init__(self, let_in: Callable[[Message], bool] = lambda _: True) -> None:
        self.mood: Answer = takes
        self._let_in = let_in
        self.taken: Counter[str] = Counter()
        self.failed_for_good = 0

    async def answer(self, message: Message) -> web.StreamResponse:
        """Answer as the fault of the moment wants it."""
        response = self.mood(message) if self._let_in(message) else web.Response(status=401)
        if response.status < 300:
            self.taken[message.id] += 1
        elif response.status == 500 and not response.body:
            self.failed_for_good += 1
        return response

    async def judge(self, dsn: str, load: Load) -> Verdict:
        """Check everything that has to hold of a load that is over and of a site that is mended.

        Links are followed, so the way to the object store has to be open.
        """
        assert await query(dsn, UNFINISHED) == []
        assert await query(dsn, UNDELIVERED) == []
        assert await query(dsn, NO_RESULT) == []
        check_one_id_each(load)
        check_one_job_a_key(load)
        linked = 0
        for job, offer in load.accepted.items():
            messages = load.world.webhooks.by_job[job]
            wanted = expected(job, offer)
            assert wanted == ids(messages), (job, offer, "messages lost or invented")
            assert all(self.taken[message] for message in wanted), (job, "a message was never taken")
            last: dict[str, Message] = {message.id: message for message in messages}
            for message in last.values():
                linked += await check_bodies(load, message, offer)
        calls: Counter[tuple[str, str]] = Counter((call.service, call.job_id) for call in load.world.services.calls)
        assert {key for job in load.accepted for key in (("billing", job), ("stock", job))} <= calls.keys()
        return Verdict(
            jobs=len(load.accepted),
            messages=len(self.taken),
            doubled=sum(count - 1 for count in self.taken.values()),
            calls=len(calls),
            repeated=sum(calls.values()) - len(calls),
            linked=linked,
        )


async def unfinished(dsn: str) -> list[dict[str, Any]]:
    """Everything that the ledger still means to do."""
    return await query(dsn, UNFINISHED)
