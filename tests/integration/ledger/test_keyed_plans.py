"""What names its day finds each row by the index of its whole key: in a day without rows, and in one with a million."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.clock import ceiling_id
from sidecar.ledger.days import for_day
from sidecar.ledger.session import PLANNED_ONCE
from tests.integration.ledger.filling import fill
from tests.integration.ledger.kit import connection
from tests.integration.ledger.plans import QUERIES, filled_database, nodes

KEYED = tuple(name for name, text in QUERIES.items() if "_p{day}" in text)
WHOLE_KEYS = {"job": {"job_id"}, "endpoint": {"endpoint"}}
SCANS_OF_ALL = {"Seq Scan", "Hash Join", "Merge Join"}


async def add_today(direct: Any) -> None:
    """Make the partitions of today, and nothing in them."""
    for parent in ("job", "payload", "invocation", "delivery"):
        await direct.fetch(QUERIES["add_partition"], parent, 0)


FILLINGS: Mapping[str, Callable[[Any], Awaitable[None]]] = {
    "no row": add_today,
    "some rows": partial(fill, rows=300, days=1, open_rows=300),
    "a million rows": partial(fill, rows=1_000_000, days=1, open_rows=600),
}


@pytest.fixture(scope="module", params=FILLINGS)
def filled(postgres: EmbeddedPostgres, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database whose today has so many rows."""
    with filled_database(postgres, template, FILLINGS[request.param]) as dsn:
        yield dsn


@pytest.mark.parametrize("name", KEYED)
async def test_each_row_is_found_by_its_whole_key(filled: str, name: str) -> None:
    text = for_day(QUERIES[name], ceiling_id(time.time()))
    arguments = max(map(int, re.findall(r"\$(\d+)", text)))
    async with connection(filled) as direct:
        for setting, value in PLANNED_ONCE.items():
            await direct.execute(f"SET {setting} = {value}")
        plan = await direct.fetchval(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}", *[None] * arguments)
    found = list(nodes(json.loads(plan)[0]["Plan"]))
    assert not SCANS_OF_ALL.intersection(node["Node Type"] for node in found)
    scans = [node for node in found if "Relation Name" in node and node["Node Type"] != "ModifyTable"]
    assert {scan["Index Name"].rsplit("_", 1)[-1] for scan in scans} <= {"pkey"}
    for scan in scans:
        key = WHOLE_KEYS.get(scan["Relation Name"].partition("_p2")[0], {"job_id", "service"})
        assert set(re.findall(r"\((\w+) = ", scan.get("Index Cond", ""))) == key, scan["Relation Name"]


def test_all_writes_of_the_flow_name_their_day() -> None:
    assert {"accept", "record", "standing", "finish", "release", "start_retry", "finish_retry"} == set(KEYED)
