"""What the benchmark concludes of offered rates, arrangements, faults and a soak, and how it is drawn and written."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import write_json
from benchmarks.flow.offered import Peaks, offers, own_half
from benchmarks.flow.offered import report as offered_report
from benchmarks.flow.shapes import CORES, SHAPES, WORKERS, gain
from benchmarks.flow.shapes import report as shapes_report
from benchmarks.kit.markdown import write_markdown
from benchmarks.kit.picture import write_picture
from benchmarks.kit.report import Report
from benchmarks.kit.rows import all_hold
from benchmarks.recovery.faults import FAULTS, Fault
from benchmarks.recovery.measure import Job, Outcome, calm, conclude
from benchmarks.recovery.measure import report as recovery_report
from benchmarks.soak.measure import SAMPLES, Sample
from benchmarks.soak.measure import report as soak_report
from tests.unit.benchmarks.test_summary import make_report, make_window

PEAKS = Peaks(relay=3000.0, sidecar=1000.0)


def offered(p99: float) -> Report:
    windows = [
        make_window(target, load=offer.column, accept_p99=accept_p99)
        for offer in offers(PEAKS)
        for target, accept_p99 in (("relay", 0.004), ("sidecar", p99))
    ]
    return offered_report(windows, PEAKS)


def test_each_is_offered_the_same_and_the_half_of_its_own_peak() -> None:
    assert [(offer.relay, offer.sidecar) for offer in offers(PEAKS)] == [
        (250.0, 250.0),
        (500.0, 500.0),
        (750.0, 750.0),
        (1500.0, 500.0),
    ]


@pytest.mark.parametrize(("p99", "holds"), [(0.012, True), (0.0125, False)])
def test_answers_at_half_of_the_peak_are_compared_with_the_relay(p99: float, *, holds: bool) -> None:
    (row,) = [row for row in offered(p99).rows if row.name == "accept p99, sidecar to relay"]
    assert row.holds is holds
    assert row.missed == (() if holds else ("50%, 500 jobs/s", own_half(PEAKS).column))


def shapes(**over: Any) -> Report:
    return shapes_report([make_window(load=shape.name, **over) for shape in SHAPES])


def test_a_second_worker_is_judged_only_where_there_are_cores_for_it() -> None:
    assert gain(1.6, cores=CORES - 1).holds is None
    assert gain(1.6, cores=CORES).holds is False
    assert gain(1.7, cores=CORES).holds is True
    assert gain(1.6, cores=CORES).values == {WORKERS: "1.60"}


def test_an_arrangement_that_loses_a_job_is_a_miss() -> None:
    assert not all_hold(shapes(missing=1).rows)


def job(began: float, done: float | None, *, accepted: bool = True, ended: bool = True) -> Job:
    return began, began if accepted else None, done, ended


def test_recovery_is_until_the_last_job_that_was_held_up_is_done() -> None:
    jobs = [job(0.0, 0.1), job(1.0, 9.0), job(2.0, 12.5), job(13.0, 13.2)]
    outcome = conclude(jobs, counts_from=5.0)
    assert outcome == Outcome(recovery=7.5, slowest=10.5, held_up=2, refused=0, lost=0, jobs=4)


def test_a_fault_that_holds_nothing_up_takes_no_time() -> None:
    assert conclude([job(0.0, 2.0), job(0.0, None, accepted=False)], counts_from=5.0).recovery == 0.0


def test_what_was_answered_and_never_done_is_lost_and_what_was_not_answered_is_refused() -> None:
    outcome = conclude([job(0.0, None), job(0.0, None, accepted=False)], counts_from=0.0)
    assert (outcome.lost, outcome.refused) == (1, 1)


def test_it_is_calm_once_nothing_waits_and_nothing_late_was_done_lately() -> None:
    assert calm([job(0.0, 0.1)], 5.0, now=8.0)
    assert not calm([job(0.0, 0.1)], 5.0, now=7.0)
    assert not calm([job(0.0, 6.0)], 5.0, now=8.0)
    assert calm([job(0.0, 6.0)], 5.0, now=9.0)
    assert not calm([job(1.0, None, ended=False)], 5.0, now=9.0)
    assert calm([job(7.5, None, ended=False)], 5.0, now=9.0)


@pytest.mark.parametrize(("recovery", "lost", "missed"), [(17.0, 0, ()), (17.1, 0, ("recovery",)), (0.0, 1, ("lost",))])
def test_recovery_after_a_kill_has_a_bound_and_nothing_may_be_lost(
    recovery: float, lost: int, missed: tuple[str, ...]
) -> None:
    (row,) = recovered(FAULTS[0], recovery=recovery, lost=lost).rows
    assert row.missed == missed


def test_a_kill_that_held_nothing_up_was_no_measurement() -> None:
    (row,) = recovered(FAULTS[0], recovery=0.0, held_up=0).rows
    assert row.missed == ("held up",)


def recovered(fault: Fault, *, recovery: float = 1.0, held_up: int = 3, lost: int = 0) -> Report:
    return recovery_report({fault: Outcome(recovery, slowest=20.0, held_up=held_up, refused=1, lost=lost, jobs=100)})


def sample(number: int, **over: Any) -> Sample:
    values: dict[str, Any] = {
        "minute": float(number + 1),
        "completed": 100,
        "rss": 70 * 2**20,
        "cpu": 0.0005,
        "accept_p50": 0.002,
        "accept_p99": 0.005,
        "job_p50": 0.006,
        "job_p99": 0.02,
        "live": 1000,
        "dead": 10,
        "tables": 2**20,
        "indexes": 2**20,
        "vacuums": 1,
        "faults": 0,
    }
    return Sample(**{**values, **over})


def soaked(**late: Any) -> Report:
    return soak_report([sample(number, **(late if number > SAMPLES * 0.6 else {})) for number in range(SAMPLES)], 200.0)


def test_a_soak_compares_its_thirds() -> None:
    assert all_hold(soaked().rows)
    assert not all_hold(soaked(rss=75 * 2**20).rows)
    assert not all_hold(soaked(faults=1).rows)


def everything() -> dict[str, Report]:
    return {
        "flow": make_report(cpu=0.3),
        "offered": offered(0.01),
        "shapes": shapes(),
        "recovery": recovered(FAULTS[0]),
        "soak": soaked(),
    }


def test_everything_is_written_for_programs(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", {"machine": "2 x"}, everything())
    told = json.loads((tmp_path / "result.json").read_text())
    assert told["machine"] == {"machine": "2 x"}
    assert told["sections"]["recovery"]["table"][0]["values"]["recovery"] == "1.0 s"
    assert told["sections"]["flow"]["measured"]["windows"][0]["completed"] == 1000
    assert len(told["sections"]["soak"]["measured"]["samples"]) == SAMPLES


def test_everything_is_drawn_as_one_picture(tmp_path: Path) -> None:
    reports = everything()
    write_picture(tmp_path / "result.svg", list(reports.values()))
    page = ET.parse(tmp_path / "result.svg").getroot()
    axes = [one for one in page.iter() if str(one.get("id")).startswith("axes_")]
    assert len(axes) == sum(len(report.charts) for report in reports.values())


def test_everything_is_written_for_the_documentation(tmp_path: Path) -> None:
    write_markdown(tmp_path / "result.md", {"machine": "2 x"}, [make_report(cpu=0.36), recovered(FAULTS[0], lost=1)])
    lines = (tmp_path / "result.md").read_text().splitlines()
    assert lines[0] == "- machine: 2 x"
    assert lines.count("") == 4
    ratio = "| CPU per job, sidecar to relay | **1.80 (1.80 to 1.80)** | <= 1.45 | **missed** |"
    assert ratio in lines
    assert lines[-1].endswith("| **1** | <= 17 s, none lost | **missed** |")
    tables = [line.count("|") for line in lines if line.startswith("|")]
    assert len(set(tables)) == 2  # each line of a table has as many cells
