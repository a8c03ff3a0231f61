"""How attempts end in the ledger: every decision, for first attempts and for retries."""

from random import Random
from typing import Any

import pytest

from sidecar.deliver.decide import Decision, Delivered, Rejected, Silent
from sidecar.deliver.ends import Attempt, ended, put_off
from sidecar.model.backoff import RetryPolicy
from sidecar.model.delivery import DeliveryEnd, DeliveryState
from sidecar.model.reasons import DeliveryReason as Reason
from sidecar.model.reasons import OwnReason
from sidecar.model.retry import RetryEnd, RetryVerdict
from tests.unit.builders import JOB, make_delivery, make_retry

POLICY = RetryPolicy()
OWNED: dict[str, Any] = {"job_id": JOB, "service": "billing", "worker": 7, "claim": 3}
DECISIONS: list[tuple[Decision, DeliveryState, RetryVerdict]] = [
    (Delivered(204), DeliveryState.DELIVERED, RetryVerdict.DELIVERED),
    (Silent(503, Reason.UNAVAILABLE), DeliveryState.RETRYING, RetryVerdict.AGAIN),
    (Silent(None, Reason.DNS), DeliveryState.RETRYING, RetryVerdict.AGAIN),
    (Rejected(410, Reason.GONE), DeliveryState.FAILED, RetryVerdict.FAILED),
    (Rejected(None, Reason.INTERNAL), DeliveryState.FAILED, RetryVerdict.FAILED),
]


@pytest.mark.parametrize(("decision", "state", "verdict"), DECISIONS)
def test_a_first_attempt_and_a_retry_end_alike(decision: Decision, state: DeliveryState, verdict: RetryVerdict) -> None:
    attempt = Attempt(decision, seconds=0.5, wait=7.0)
    first = ended(make_delivery(claim=3), attempt, policy=POLICY, random=Random(1))
    again = ended(make_retry(claim=3, retry_count=4), attempt, policy=POLICY, random=Random(1))
    reason = None if isinstance(decision, Delivered) else decision.reason
    told: dict[str, Any] = {"status": decision.status, "reason": reason, "seconds": 0.5, "budget": 43_200.0}
    assert first == DeliveryEnd(**OWNED, **told, state=state, retry_in=1.0, retry_after=7.0)
    assert again == RetryEnd(**OWNED, **told, verdict=verdict, delay=32.0, wait=7.0)


def test_each_retry_waits_for_the_next_place_of_the_schedule() -> None:
    silent = Attempt(Silent(503, Reason.UNAVAILABLE), 0.0)
    delays = []
    for done in range(22):
        end = ended(make_retry(retry_count=done), silent, policy=POLICY, random=Random(1))
        assert isinstance(end, RetryEnd)
        delays.append(end.delay)
    assert delays == [POLICY.delay(number) for number in range(2, 24)]


def test_jitter_is_heeded() -> None:
    silent = Attempt(Silent(503, Reason.UNAVAILABLE), 0.0)
    chance, policy = Random(1), RetryPolicy(jitter=0.5)
    first = [ended(make_delivery(), silent, policy=policy, random=chance) for _ in range(20)]
    again = [ended(make_retry(retry_count=2), silent, policy=policy, random=chance) for _ in range(20)]
    waits = [end.retry_in for end in first if isinstance(end, DeliveryEnd)]
    delays = [end.delay for end in again if isinstance(end, RetryEnd)]
    assert len(set(waits)) > 1
    assert all(0.5 <= wait <= 1.0 for wait in waits)
    assert len(set(delays)) > 1
    assert all(4.0 <= delay <= 8.0 for delay in delays)


def test_what_is_put_off_counts_no_attempt() -> None:
    first = put_off(make_delivery(claim=3), delay=5.0, reason=OwnReason.STORE_UNAVAILABLE)
    again = put_off(make_retry(claim=3), delay=5.0, reason=OwnReason.STORE_UNAVAILABLE)
    untried: dict[str, Any] = {"status": None, "reason": "store_unavailable", "retry_in": 5.0, "attempted": False}
    assert first == DeliveryEnd(**OWNED, state=DeliveryState.OPEN, **untried)
    assert again == RetryEnd(**OWNED, verdict=RetryVerdict.DEFERRED, reason="store_unavailable", delay=5.0)
