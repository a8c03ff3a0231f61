"""Small bodies are compressed in the tables, and whoever reads them does not notice."""

from random import Random

from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    Replica,
    connection,
    make_job,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.retrying import claimed, retrying

REQUEST = b'{"order":7,"lines":[' + b'{"sku":"4711-0815","quantity":12},' * 24 + b"{}]}"
RESULT = b'{"report":7,"lines":[' + b'{"sku":"0815-4711","price":"19.90"},' * 24 + b"{}]}"
NOISE = Random(1).randbytes(1024)


async def cells(database: str) -> dict[str, tuple[int, bool | None]]:
    """How many bytes each row of payload has for its body, and whether they are compressed."""
    async with connection(database) as direct:
        rows = await direct.fetch("SELECT service, octet_length(body) AS size, packed FROM payload")
    return {row["service"]: (row["size"], row["packed"]) for row in rows}


async def give_up(here: Replica) -> None:
    here.ledger.registry.forget_all()
    await here.ledger.release_all()


async def test_a_request_that_is_claimed_anew_is_the_one_that_was_accepted(database: str) -> None:
    async with replica(database) as here:
        await stored(here.ledger, make_job(here.ledger, body=REQUEST))
        assert [call.body for call in here.taker.calls] == [REQUEST]
        size, packed = (await cells(database))[""]
        assert packed
        assert size < len(REQUEST) / 4
        await give_up(here)
        (call,) = await here.ledger.claim_invocations({SERVICE_KEY: 1})
        assert call.body == REQUEST


async def test_a_message_that_is_claimed_anew_has_the_body_that_came(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "noise"))
        await here.ledger.record(make_result(job.job_id, "billing", body=RESULT))
        await here.ledger.record(make_result(job.job_id, "noise", body=NOISE))
        assert {message.service: message.body for message in here.taker.messages} == {"billing": RESULT, "noise": NOISE}
        found = await cells(database)
        assert found["billing"][1]
        assert found["noise"] == (len(NOISE), None)
        await give_up(here)
        again = await here.ledger.claim_deliveries({ENDPOINT: 2})
        assert {message.service: message.body for message in again} == {"billing": RESULT, "noise": NOISE}


async def test_a_retry_and_its_copy_to_the_object_store_have_the_body_that_came(database: str) -> None:
    async with replica(database) as here:
        await retrying(here, body=RESULT)
        (unmoved,) = await here.ledger.objects.unmoved()
        assert unmoved.body == RESULT
        (retry,) = await claimed(here)
        assert retry.body == RESULT


async def test_the_parts_of_an_aggregate_have_the_bodies_that_came(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "noise", gather=Gather.ALL))
        await here.ledger.record(make_result(job.job_id, "billing", body=RESULT))
        await here.ledger.record(make_result(job.job_id, "noise", body=NOISE))
        assert {part.service: part.body for part in await here.ledger.parts(job.job_id)} == {
            "billing": RESULT,
            "noise": NOISE,
        }


async def test_a_body_that_was_damaged_costs_nobody_else_a_claim(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        broken = await stored(here.ledger, make_job(here.ledger, body=REQUEST))
        whole = await stored(here.ledger, make_job(here.ledger, body=REQUEST))
        await give_up(here)
        await direct.execute(
            "UPDATE payload SET body = set_byte(body, 40, 1 - get_byte(body, 40) / 255) WHERE job_id = $1",
            broken.job_id,
        )
        assert [call.job_id for call in await here.ledger.claim_invocations({SERVICE_KEY: 5})] == [whole.job_id]
        assert here.ledger.stats.rejected["claim"] == 1
        assert not here.ledger.registry.holds("invocation", broken.job_id, "billing", 2)
