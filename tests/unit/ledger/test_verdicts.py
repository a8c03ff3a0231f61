"""What is told to an outcome that came too late, and what the view says of a service."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.ledger.jobs import service_status
from sidecar.ledger.outcomes import verdict
from sidecar.model.outcome import Verdict

AT = datetime(2027, 1, 1, tzinfo=UTC)


def row(outcome: str | None, sha256: bytes | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "finished_at": AT if outcome else None, "sha256": sha256}


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (None, Verdict.UNKNOWN),
        (row(None), Verdict.FENCED),
        (row("result", b"mine"), Verdict.SAME),
        (row("result", b"else"), Verdict.OTHER),
        (row("refused"), Verdict.OTHER),
        (row("deadline", b"else"), Verdict.EXPIRED),
        (row("cancelled"), Verdict.OTHER),
    ],
)
def test_the_verdict_follows_from_what_stands(standing: dict[str, Any] | None, expected: Verdict) -> None:
    answer = verdict(standing, b"mine")
    assert answer.verdict is expected
    if expected in (Verdict.OTHER, Verdict.EXPIRED, Verdict.SAME):
        assert answer.since == AT


@pytest.mark.parametrize(
    ("outcome", "status", "acknowledged", "expected"),
    [
        (None, None, False, "invoking"),
        (None, None, True, "invoked"),
        ("result", "succeeded", True, "succeeded"),
        ("result", "failed", True, "failed"),
        ("acknowledged", "succeeded", True, "succeeded"),
        ("deadline", "failed", False, "failed"),
        ("cancelled", "failed", True, "cancelled"),
    ],
)
def test_the_state_of_a_service_is_derived(
    outcome: str | None,
    status: str | None,
    acknowledged: bool,  # noqa: FBT001 - a cell of the table
    expected: str,
) -> None:
    assert service_status(outcome, status, acknowledged=acknowledged) == expected
