"""Names of objects."""

from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from sidecar.offload.keys import REQUEST, day_prefix, job_day, job_prefix, object_key

JOB = UUID("0192c3d4-0000-7000-8000-0000000000ab")  # 2024-10-25


def test_a_key_tells_day_job_and_service_and_ends_in_the_random_part() -> None:
    key = object_key("sidecar/", JOB, "billing", random="abc")
    assert key == f"sidecar/2024/10/25/{JOB}/billing/abc"
    assert object_key("", JOB, REQUEST, random="abc") == f"2024/10/25/{JOB}/request/abc"


def test_only_a_compressed_file_says_so_in_its_name() -> None:
    assert object_key("", JOB, "a", coding="gzip", file=True, random="r").endswith("/r.gz")
    assert object_key("", JOB, "a", coding="zstd", file=True, random="r").endswith("/r.zst")
    assert object_key("", JOB, "a", coding=None, file=True, random="r").endswith("/r")
    assert object_key("", JOB, "a", coding="gzip", random="r").endswith("/r")


def test_no_two_keys_are_the_same() -> None:
    assert len({object_key("p/", JOB, "billing") for _ in range(1000)}) == 1000


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1)))  # noqa: DTZ001 - in UTC below
def test_the_day_is_the_jobs_own_in_utc(moment: datetime) -> None:
    milliseconds = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    job = UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))
    assert job_day(job) == moment.date()


def test_all_keys_of_a_job_begin_with_its_prefix_and_those_of_a_day_with_the_days() -> None:
    job = uuid7()
    key = object_key("a/b/", job, "billing")
    assert key.startswith(job_prefix("a/b/", job))
    assert key.startswith(day_prefix("a/b/", job_day(job)))
    assert day_prefix("x/", date(2026, 1, 2)) == "x/2026/01/02/"
