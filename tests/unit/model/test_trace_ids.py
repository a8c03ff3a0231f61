"""Ids of traces do not depend on the generator that a program shares with its libraries."""

import random

from sidecar.model.trace import continue_trace


def test_seeding_the_shared_generator_repeats_no_ids() -> None:
    made = []
    for _ in range(2):
        random.seed(7)
        made.append(continue_trace(None))
    assert made[0] != made[1]


def test_ids_leave_the_shared_generator_as_it_was() -> None:
    before = random.getstate()
    continue_trace(None)
    assert random.getstate() == before
