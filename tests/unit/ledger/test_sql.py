"""Rules that every query keeps."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from sidecar.ledger.migrate import pending
from sidecar.ledger.sqlfiles import Migration, load_migrations, load_queries
from sidecar.model.errors import LedgerError

QUERIES = asdict(load_queries())
ROOT = Path(__file__).parents[3]
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "sidecar" / "ledger").glob("*.py")))
PARTITIONED = re.compile(r"\b(?:FROM|UPDATE|JOIN)\s+(job|payload|invocation|delivery)\b")
# A duty that runs each hour, and those that tell the bounds: these look beyond the usual end only.
UNBOUNDED = {"prune_workers", "prune_endpoints", "open_since", "retries_since"}


def code_of(sql: str) -> str:
    return re.sub(r"--.*", "", sql)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_says_why_and_is_used(name: str) -> None:
    lines = QUERIES[name].splitlines()
    assert lines[0] == f"-- {name}"
    assert lines[1].startswith("-- ")
    assert f"ueries.{name}" in CODE


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_asks_a_clock_that_no_index_can_bound(name: str) -> None:
    text = code_of(QUERIES[name]).lower()
    for volatile in ("clock_timestamp", "timeofday", "statement_timestamp"):
        assert volatile not in text
    assert not re.search(r"\b(begin|commit|rollback)\b", text)


@pytest.mark.parametrize("name", QUERIES)
def test_every_parameter_has_a_type(name: str) -> None:
    assert not re.search(r"\$\d+(?!\d|::)", code_of(QUERIES[name]))


@pytest.mark.parametrize("name", [name for name in QUERIES if "_p{day}" in QUERIES[name]])
def test_what_names_its_day_does_so_for_every_table_of_days(name: str) -> None:
    assert not PARTITIONED.findall(code_of(QUERIES[name]).replace("_p{day}", "_of_a_day"))
    assert not re.findall(r"INTO (?:job|payload|invocation|delivery) ", code_of(QUERIES[name]))


@pytest.mark.parametrize("name", QUERIES)
def test_statements_bound_the_job_ids_that_they_touch(name: str) -> None:
    text = code_of(QUERIES[name])
    tables = PARTITIONED.findall(text)
    bounds = len(re.findall(r"job_id (?:BETWEEN \$1::uuid AND \$2::uuid|= \$1::uuid)", text))
    assert name in UNBOUNDED or bounds >= len(set(tables))


def test_no_sql_stands_in_python() -> None:
    assert not re.findall(r'"\s*(?:SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP)\s', CODE)


def test_an_applied_migration_may_not_change() -> None:
    first, second = Migration(1, "0001_a", "one"), Migration(2, "0002_b", "two")
    assert pending((first, second), {}) == [first, second]
    assert pending((first, second), {1: first.digest}) == [second]
    assert pending((first,), {1: first.digest, 2: b"newer"}) == []
    with pytest.raises(LedgerError, match="0001_a"):
        pending((first, second), {1: b"other"})


def test_migrations_say_why_and_which_locks_they_take() -> None:
    for migration in load_migrations():
        lines = migration.text.splitlines()
        assert lines[0].startswith("-- Why: ")
        assert any(line.startswith("-- Locks: ") for line in lines)
