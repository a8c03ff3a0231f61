"""A job's way through the ledger."""

from sidecar.model.delivery import DeliveryState
from sidecar.model.job import Stored
from sidecar.model.outcome import MessageKind, OutcomeKind, ResultStatus, Verdict
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    make_end,
    make_job,
    make_refusal,
    make_release,
    make_result,
    replica,
    stored,
)


async def test_an_accepted_job_is_handed_over_and_goes_its_way_to_the_webhook(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = make_job(ledger)
        answer = await ledger.accept(job)
        assert isinstance(answer, Stored)
        assert (answer.deadline_at - answer.created_at).total_seconds() == job.deadline
        (call,) = here.taker.calls
        assert (call.worker, call.claim, call.body, call.deadline_at) == (
            ledger.worker,
            1,
            job.body,
            answer.deadline_at,
        )
        assert ledger.registry.holds("invocation", job.job_id, "billing", 1)

        assert await ledger.release(make_release(call, acknowledged=True, retry_in=None, status=202))
        assert len(ledger.registry) == 0

        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON
        (message,) = here.taker.messages
        assert (message.kind, message.status, message.body) == (MessageKind.DIRECT, ResultStatus.SUCCEEDED, b"done")
        assert (message.endpoint, message.callback_url, message.services_total) == (ENDPOINT, job.callback_url, 1)

        assert await ledger.finish(make_end(message))
        assert not await ledger.finish(make_end(message))
        view = await ledger.job(job.job_id)
        assert view is not None
        assert [(s.service, s.status, s.attempts, s.status_code) for s in view.services] == [
            ("billing", "succeeded", 1, 202)
        ]
        assert [(d.message_id, d.state, d.attempts) for d in view.deliveries] == [
            (message.message_id, DeliveryState.DELIVERED, 1)
        ]
        assert len(ledger.registry) == 0


async def test_work_that_nobody_owns_is_found_and_claimed_once(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        job = await stored(here.ledger, make_job(here.ledger, owned=False))
        assert here.taker.calls == []
        assert (await there.ledger.service_keys_with_work()).names == (SERVICE_KEY,)
        (call,) = await there.ledger.claim_invocations({SERVICE_KEY: 10})
        assert (call.job_id, call.worker, call.claim, call.call, call.body) == (
            job.job_id,
            there.ledger.worker,
            1,
            job.calls[0],
            job.body,
        )
        assert await here.ledger.claim_invocations({SERVICE_KEY: 10}) == []
        assert (await there.ledger.service_keys_with_work()).names == ()

        there.taker.full = [ENDPOINT]
        await there.ledger.record(make_refusal(call))
        assert there.taker.messages == []
        assert (await here.ledger.endpoints_with_work()).names == (ENDPOINT,)
        (message,) = await here.ledger.claim_deliveries({ENDPOINT: 3})
        assert (message.kind, message.status, message.body, message.claim) == (
            MessageKind.ERROR,
            ResultStatus.FAILED,
            b"{}",
            1,
        )
        assert await here.ledger.finish(make_end(message, state=DeliveryState.OPEN, status=503, reason="status_503"))
        (again,) = await there.ledger.claim_deliveries({ENDPOINT: 3})
        assert (again.claim, again.attempts) == (2, 1)


async def test_an_aggregate_is_made_when_the_last_service_ended(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk", gather=Gather.ALL))
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON
        assert here.taker.messages == []
        failed = make_result(
            job.job_id, "risk", status=ResultStatus.FAILED, kind=MessageKind.ERROR, reason="service_failed"
        )
        assert (await ledger.record(failed)).verdict is Verdict.WON
        (message,) = here.taker.messages
        assert (message.service, message.kind, message.status) == ("", MessageKind.AGGREGATE, ResultStatus.PARTIAL)
        parts = await ledger.parts(job.job_id)
        assert [(p.service, p.outcome, p.status, p.kind, p.body) for p in parts] == [
            ("billing", OutcomeKind.RESULT, ResultStatus.SUCCEEDED, MessageKind.DIRECT, b"done"),
            ("risk", OutcomeKind.RESULT, ResultStatus.FAILED, MessageKind.ERROR, b"done"),
        ]


async def test_what_stands_is_told_to_those_who_come_later(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk"))
        await ledger.record(make_result(job.job_id))
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.SAME
        other = await ledger.record(make_result(job.job_id, body=b"else"))
        assert (other.verdict, other.standing) == (Verdict.OTHER, OutcomeKind.RESULT)
        assert other.since is not None
        late = make_result(
            job.job_id, "risk", outcome=OutcomeKind.DEADLINE, status=ResultStatus.FAILED, kind=MessageKind.ERROR
        )
        assert (await ledger.record(late)).verdict is Verdict.WON
        assert (await ledger.record(make_result(job.job_id, "risk"))).verdict is Verdict.EXPIRED
        assert (await ledger.record(make_result(job.job_id, "nobody"))).verdict is Verdict.UNKNOWN
        assert (await ledger.record(make_result(ledger.new_job_id()))).verdict is Verdict.UNKNOWN
        assert len(here.taker.messages) == 2


async def test_the_webhook_hears_nothing_of_an_outcome_without_a_message(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger))
        silent = make_result(job.job_id, outcome=OutcomeKind.ACKNOWLEDGED, kind=None, body=b"")
        assert (await ledger.record(silent)).verdict is Verdict.WON
        assert here.taker.messages == []
        view = await ledger.job(job.job_id)
        assert view is not None
        assert view.deliveries == ()
        assert view.services[0].status == "succeeded"


async def test_a_job_that_everybody_refused_ends_silently(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk"))
        assert await ledger.refuse_all(job.job_id, services=2)
        assert len(ledger.registry) == 0
        view = await ledger.job(job.job_id)
        assert view is not None
        assert (view.state, view.deliveries) == ("failed", ())
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.OTHER
