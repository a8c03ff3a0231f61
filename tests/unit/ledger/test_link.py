"""What a connection does besides the statements that it is given."""

from typing import Any, Literal

import pytest

from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.link import Link
from sidecar.ledger.session import PLANS_KEPT, server_settings
from sidecar.ledger.stats import LedgerStats

STATEMENT = "-- record\nSELECT 1"


class Connection:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def execute(self, query: str) -> None:
        self.sent.append(query)

    async def fetch(self, query: str, *_: object) -> list[Any]:
        self.sent.append(query)
        return []


def connected(*, keyed: bool, pooler: Literal["none", "transaction"] = "none") -> tuple[Link, Connection]:
    link = Link(LedgerConfig(dsn="", pooler=pooler), LedgerStats(), name="hot", keyed=keyed)
    connection: Any = Connection()
    link._connection = connection
    return link, connection


async def test_plans_that_are_kept_are_made_anew_now_and_then() -> None:
    link, connection = connected(keyed=True)
    await link.fetch(STATEMENT)
    await link.fetch(STATEMENT)
    assert connection.sent == ["DISCARD PLANS", STATEMENT, STATEMENT]
    link._plan_anew_at -= PLANS_KEPT
    await link.fetch(STATEMENT)
    assert connection.sent[3:] == ["DISCARD PLANS", STATEMENT]


@pytest.mark.parametrize("over", [{"keyed": False}, {"keyed": True, "pooler": "transaction"}], ids=str)
async def test_where_no_plan_is_kept_none_is_discarded(over: dict[str, Any]) -> None:
    link, connection = connected(**over)
    await link.fetch(STATEMENT)
    assert connection.sent == [STATEMENT]


def test_scans_are_planned_each_time_and_keys_once() -> None:
    config = LedgerConfig(dsn="")
    assert server_settings(config, "pool", keyed=False)["plan_cache_mode"] == "force_custom_plan"
    assert server_settings(config, "hot", keyed=True)["plan_cache_mode"] == "force_generic_plan"
