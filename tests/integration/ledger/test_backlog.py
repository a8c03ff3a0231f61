"""What metrics tell of what waits in the ledger."""

from typing import Any

from sidecar.ledger.backlog import STATES, Waiting
from tests.integration.ledger.kit import make_job, replica, stored
from tests.integration.ledger.retrying import delivering, retrying


async def waiting(ledger: Any) -> dict[str, Waiting]:
    return {state.state: state for state in await ledger.backlog.read()}


async def test_each_state_is_counted_and_what_is_due_has_an_age(database: str) -> None:
    async with replica(database) as here:
        assert {state: found.rows for state, found in (await waiting(here.ledger)).items()} == dict.fromkeys(STATES, 0)
        await stored(here.ledger, make_job(here.ledger, owned=False))
        await delivering(here)
        await retrying(here)
        found = await waiting(here.ledger)
    assert (found["calls_waiting"].rows, found["calls_waiting"].due) == (1, 1)
    assert found["calls_open"].rows == 1
    assert (found["messages_sending"].rows, found["messages_waiting"].rows) == (1, 0)
    assert (found["retries_waiting"].rows, found["retries_waiting"].oldest >= 0) == (1, True)
