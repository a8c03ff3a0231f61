"""How long things are kept."""

from typing import Annotated

from pydantic import AfterValidator

from sidecar.settings.section import Section
from sidecar.settings.units import DAY, HOUR, Duration, lasting, render_duration

LONGEST_JOBS = 40 * DAY


def _check_jobs(seconds: float) -> float:
    if seconds > LONGEST_JOBS:
        raise ValueError(
            f"{render_duration(seconds)} is too long; choose at most {render_duration(LONGEST_JOBS)}, because jobs have"
            " one database partition a day and every statement takes locks on the partitions it looks at"
        )
    return seconds


class RetentionSettings(Section):
    """How long things are kept."""

    jobs: Annotated[Duration, AfterValidator(_check_jobs)] = 14 * DAY
    """How long jobs are kept after accept, a duration; at least the longest deadline and 48h."""
    bodies: Annotated[Duration, lasting("0s", "40d")] = 24 * HOUR
    """How long a body is kept in the database after its message was delivered or given up, a duration.

    Those of failed messages are kept as long as their jobs, to be redriven.
    """
    objects: Annotated[Duration, lasting("24h", "3650d")] = 7 * DAY
    """How long stored objects are kept after their last link has ended, a duration."""
    audit: Annotated[Duration, lasting("24h", "3650d")] = 400 * DAY
    """How long the audit of operators' actions is kept, a duration."""
    partitions_ahead: Annotated[Duration, lasting("24h", "30d")] = 7 * DAY
    """How far ahead the daily partitions are made, a duration."""
