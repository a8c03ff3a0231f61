"""What operators do is noted, and forgotten after its retention."""

import orjson

from sidecar.ledger import AuditEntry
from tests.integration.ledger.kit import connection, replica

DAY = 86_400.0


async def test_an_action_is_noted_with_who_did_what_to_what(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        number = await here.ledger.audit.write(AuditEntry("oncall", "operator", "erase", "a job", {"rows": 3}))
        row = await direct.fetchrow("SELECT * FROM audit")
        assert row is not None
        assert (row["id"], row["actor"], row["role"], row["action"]) == (number, "oncall", "operator", "erase")
        assert (row["target"], orjson.loads(row["detail"])) == ("a job", {"rows": 3})


async def test_actions_are_forgotten_after_their_retention(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        for _ in range(2):
            await here.ledger.audit.write(AuditEntry("oncall", "operator", "pause", "https://hooks.example"))
        await direct.execute("UPDATE audit SET at = now() - interval '401 days' WHERE id = (SELECT min(id) FROM audit)")
        assert (await here.ledger.prune(30 * DAY)).audit == 1
        assert (await here.ledger.prune(30 * DAY, audit=0.0)).audit == 1
        assert await direct.fetchval("SELECT count(*) FROM audit") == 0
