"""What the benchmark concludes from its windows."""

from typing import Any

import pytest

from benchmarks.flow.rows import report
from benchmarks.flow.summary import Memory, Window, Written, middle, ratios
from benchmarks.kit.figures import percentile
from benchmarks.kit.report import Report
from benchmarks.kit.rows import all_hold, judge


def make_window(target: str = "sidecar", **over: Any) -> Window:
    values: dict[str, Any] = {
        "load": "32 clients",
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
        make_window("relay", load="8 clients", cpu=9.0),
    ]
    assert ratios(windows, "32 clients") == pytest.approx([1.5, 1.5])


def test_ratios_count_cpu_for_each_completed_job() -> None:
    windows = [make_window("relay", cpu=0.2, completed=2000), make_window(cpu=0.2, completed=1000)]
    assert ratios(windows, "32 clients") == pytest.approx([2.0])


def test_the_middle_is_the_median_of_one_target_and_load() -> None:
    windows = [make_window(cpu=cpu) for cpu in (0.1, 0.9, 0.2)]
    windows += [make_window("relay", cpu=5.0), make_window(load="8 clients", cpu=5.0)]
    assert middle(windows, target="sidecar", load="32 clients", value=lambda window: window.cpu) == 0.2


def test_written_is_counted_from_before_the_load_to_after_it() -> None:
    written = Written(jobs=30, statements=70.0, duties=9.0, wal=7000) - Written(jobs=10, statements=30.0, wal=1000)
    assert written == Written(jobs=20, statements=40.0, duties=9.0, wal=6000)
    assert (written.per_job_statements, written.per_job_wal) == (2.0, 300.0)


def test_memory_grows_by_what_came_after_it_had_settled() -> None:
    memory = Memory(samples=((100, 50), (200, 80), (600, 90), (1000, 88)), load="32 clients")
    assert memory.growth == pytest.approx(1.1)


@pytest.mark.parametrize(("value", "holds"), [(4.0, True), (4.004, True), (4.01, False)])
def test_a_value_is_judged_as_it_is_shown(value: float, *, holds: bool) -> None:
    assert judge("statements", {"1 client": value}, "{:.2f}", {"1 client": 4.0}).holds is holds


def test_a_line_without_a_target_is_not_judged() -> None:
    assert judge("statements", {"8 clients": 99.0}, "{:.2f}", {"1 client": 4.0}).holds is None


def test_a_bound_that_holds_for_some_loads_says_for_which() -> None:
    assert (
        judge("x", {"a": 1.0, "b": 1.0, "c": 1.0}, "{:.1f}", {"b": 2.0, "c": 1.7}).target == "<= 2.0 at b\n<= 1.7 at c"
    )
    assert judge("x", {"a": 1.0, "b": 1.0}, "{:.0f} B", {"a": 9.0, "b": 9.0}).target == "<= 9 B"


def test_the_table_tells_what_was_missed() -> None:
    table = {row.name: row for row in make_report(cpu=0.36).rows}
    ratio = table["CPU per job, sidecar to relay"]
    assert (ratio.values, ratio.holds) == ({"32 clients": "1.80 (1.80 to 1.80)"}, False)
    assert table["sidecar: WAL per job with its bodies"].holds is True
    assert not all_hold(table.values())


def test_the_table_holds_when_nothing_was_missed() -> None:
    assert all_hold(make_report(cpu=0.28).rows)


@pytest.mark.parametrize("fault", ["refused", "wrong", "missing", "unexpected"])
def test_a_single_job_that_went_wrong_is_a_miss(fault: str) -> None:
    over: dict[str, Any] = {fault: 1}
    assert not all_hold(make_report(cpu=0.28, **over).rows)


def test_memory_that_grows_is_a_miss() -> None:
    memory = Memory(samples=((2, 100), (10, 120)), load="32 clients")
    assert not all_hold(make_report(memory=memory, cpu=0.28).rows)


def make_report(*, memory: Memory | None = None, telling: float | None = None, **over: Any) -> Report:
    return report((make_window("relay", cpu=0.2), make_window(**over)), memory=memory, telling=telling)


@pytest.mark.parametrize(("seconds", "holds"), [(0.00002, True), (0.00005, False)])
def test_log_and_metrics_are_judged_by_their_share_of_a_job(seconds: float, holds: bool) -> None:  # noqa: FBT001
    (row,) = [row for row in make_report(telling=seconds, cpu=0.4).rows if "log and metrics" in row.name]
    assert (row.values["32 clients"], row.holds) == (f"{seconds / 0.0004:.1%}", holds)
