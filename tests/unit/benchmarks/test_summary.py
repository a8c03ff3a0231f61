"""What the benchmark concludes from its windows."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.bodies import ident_of, request_body, result_body
from benchmarks.rows import all_hold, judge, rows
from benchmarks.summary import Memory, Result, Window, Written, middle, percentile, ratios
from benchmarks.wire import WireError, field, split


def make_window(target: str = "sidecar", **over: Any) -> Window:
    values: dict[str, Any] = {
        "clients": 32,
        "seconds": 2.0,
        "completed": 1000,
        "cpu": 0.4,
        "accept_p50": 0.001,
        "accept_p95": 0.0015,
        "accept_p99": 0.002,
        "job_p50": 0.003,
        "job_p95": 0.0035,
        "job_p99": 0.004,
        "written": Written(jobs=1000, statements=200, wal=2_000_000),
    }
    return Window(target=target, **{**values, **over})


@pytest.mark.parametrize(("percent", "expected"), [(50, 5.0), (90, 9.0), (99, 10.0), (100, 10.0), (1, 1.0), (0, 1.0)])
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 11)], percent) == expected


def test_the_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 99) == 0.0


def test_ratios_compare_each_pair_of_neighbours() -> None:
    windows = [
        make_window("relay", cpu=0.2),
        make_window(cpu=0.3),
        make_window("relay", cpu=0.4),  # the machine was slower: both were
        make_window(cpu=0.6),
        make_window("relay", clients=8, cpu=9.0),
    ]
    assert ratios(windows, 32) == pytest.approx([1.5, 1.5])


def test_ratios_count_cpu_for_each_completed_job() -> None:
    windows = [make_window("relay", cpu=0.2, completed=2000), make_window(cpu=0.2, completed=1000)]
    assert ratios(windows, 32) == pytest.approx([2.0])


def test_the_middle_is_the_median_of_one_target_and_load() -> None:
    windows = [make_window(cpu=cpu) for cpu in (0.1, 0.9, 0.2)]
    windows += [make_window("relay", cpu=5.0), make_window(clients=8, cpu=5.0)]
    assert middle(windows, target="sidecar", clients=32, value=lambda window: window.cpu) == 0.2


def test_written_is_counted_from_before_the_load_to_after_it() -> None:
    written = Written(jobs=30, statements=70.0, duties=9.0, wal=7000) - Written(jobs=10, statements=30.0, wal=1000)
    assert written == Written(jobs=20, statements=40.0, duties=9.0, wal=6000)
    assert (written.per_job_statements, written.per_job_wal) == (2.0, 300.0)


def test_memory_grows_by_what_came_after_it_had_settled() -> None:
    memory = Memory(samples=((100, 50), (200, 80), (600, 90), (1000, 88)), clients=32)
    assert memory.growth == pytest.approx(1.1)


@pytest.mark.parametrize(("value", "holds"), [(4.0, True), (4.004, True), (4.01, False)])
def test_a_value_is_judged_as_it_is_shown(value: float, *, holds: bool) -> None:
    assert judge("statements", {1: value}, "{:.2f}", {1: 4.0}).holds is holds


def test_a_line_without_a_target_is_not_judged() -> None:
    assert judge("statements", {8: 99.0}, "{:.2f}", {1: 4.0}).holds is None


def test_a_bound_that_holds_for_some_loads_says_for_which() -> None:
    assert judge("x", {1: 1.0, 8: 1.0, 32: 1.0}, "{:.1f}", {8: 2.0, 32: 1.7}).target == "<= 2.0 at 8\n<= 1.7 at 32"
    assert judge("x", {1: 1.0, 8: 1.0}, "{:.0f} B", {1: 9.0, 8: 9.0}).target == "<= 9 B"


def test_the_table_tells_what_was_missed() -> None:
    table = {row.name: row for row in rows(make_result(cpu=0.36))}
    ratio = table["CPU per job, sidecar to relay"]
    assert (ratio.values, ratio.holds) == ({32: "1.80 (1.80 to 1.80)"}, False)
    assert table["sidecar: WAL per job with its bodies"].holds is True
    assert not all_hold(table.values())


def test_the_table_holds_when_nothing_was_missed() -> None:
    assert all_hold(rows(make_result(cpu=0.3)))


@pytest.mark.parametrize("fault", ["refused", "wrong", "missing", "unexpected"])
def test_a_single_job_that_went_wrong_is_a_miss(fault: str) -> None:
    assert not all_hold(rows(make_result(cpu=0.3, **{fault: 1})))


def test_memory_that_grows_is_a_miss() -> None:
    memory = Memory(samples=((2, 100), (10, 120)), clients=32)
    assert not all_hold(rows(Result({}, make_result(cpu=0.3).windows, memory)))


def make_result(**over: Any) -> Result:
    return Result({}, (make_window("relay", cpu=0.2), make_window(**over)))


@pytest.mark.parametrize("size", [256, 1024, 4096])
def test_bodies_have_the_size_asked_for_and_name_their_job(size: int) -> None:
    ident = b"0000000000000042"
    for body in (request_body(ident, size), result_body(ident, size)):
        assert len(body) == size
        assert ident_of(body) == ident
    assert request_body(ident, size) != result_body(ident, size)


def test_a_message_is_cut_off_once_it_is_complete() -> None:
    message = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    assert split(message[:-1]) is None
    assert split(message + b"POST") == (b"POST / HTTP/1.1\r\nContent-Length: 3", b"abc", b"POST")


def test_a_header_is_found_whatever_its_case_and_place() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nCallback-URL:  http://b/X "
    assert field(head, b"callback-url") == b"http://b/X"
    assert field(head, b"host") == b"a"
    assert field(head, b"absent") is None


def test_a_chunked_body_is_refused_rather_than_misread() -> None:
    with pytest.raises(WireError):
        split(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(("seconds", "holds"), [(0.00002, True), (0.00005, False)])
def test_log_and_metrics_are_judged_by_their_share_of_a_job(seconds: float, holds: bool) -> None:  # noqa: FBT001
    result = replace(make_result(cpu=0.4), telling=seconds)
    (row,) = [row for row in rows(result) if "log and metrics" in row.name]
    assert (row.values[32], row.holds) == (f"{seconds / 0.0004:.1%}", holds)
