"""Kills, silent beats, lost answers, repeats: nothing acknowledged is lost, wrong or stuck.

More seeds: ``SIMULATION_SEEDS=1-10 SIMULATION_SECONDS=20 pytest tests/integration/simulation``.
"""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.simulation.ablations import (
    SweepingOnce,
    WithoutReconcile,
    swap,
    sweeping_the_last,
    without_countdown,
    without_unsure,
)
from tests.integration.simulation.play import Play, Script

FIRST, _, LAST = os.environ.get("SIMULATION_SEEDS", "1").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
SECONDS = float(os.environ.get("SIMULATION_SECONDS", "6"))

TROUBLES = ("kills", "silences", "lost answers", "repeated callbacks", "duplicate messages", "repeats")
JOBS = 100
RUNS = 8  # chance may spare a weaker ledger, more often where a slow machine gets less done in the time
ABLATIONS = {
    "no reconciling": (Script(seed=11, cast=WithoutReconcile, calm=6.0), ["stuck rows"]),
    "one sweep at each burial": (
        Script(seed=12, cast=SweepingOnce, calm=6.0, kills=0.0, prepare=lambda ledger: swap(ledger, sweeping_the_last)),
        ["stuck rows", "call forgotten"],
    ),
    "no unsure": (
        Script(seed=13, duration=2.0, calm=1.0, prepare=lambda ledger: swap(ledger, without_unsure)),
        ["refused result"],
    ),
    "no counting down": (
        Script(seed=14, duration=2.0, calm=1.0, prepare=lambda ledger: swap(ledger, without_countdown)),
        ["lost message"],
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_wrong_or_stuck(
    database: str, seed: int, record_property: Callable[[str, object], None]
) -> None:
    findings = await Play(database, Script(seed=seed, duration=SECONDS, wanted=TROUBLES, jobs=JOBS)).run()
    record_property("counts", dict(findings.counts))
    assert findings.faults == []
    for trouble in (*TROUBLES, "retries"):
        assert findings.counts[trouble] > 0, trouble
    assert findings.counts["answered jobs"] > JOBS


@pytest.mark.parametrize("name", ABLATIONS)
async def test_the_simulation_notices_when_a_rule_is_taken_away(database: str, name: str) -> None:
    script, expected = ABLATIONS[name]
    for run in range(RUNS):
        findings = await Play(database, replace(script, seed=script.seed + 100 * run)).run()
        if any(findings.counts[kind] for kind in expected):
            return
    pytest.fail(f"unnoticed: {name}")
