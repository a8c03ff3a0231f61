"""How an attempt ends in the ledger: pure, from what was decided about it."""

from random import Random

from sidecar.deliver.content import Message
from sidecar.deliver.decide import Decision, Delivered, PutOff, Silent
from sidecar.kit.value_class import value_class
from sidecar.model.backoff import RetryPolicy
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState
from sidecar.model.reasons import OwnReason
from sidecar.model.retry import Retry, RetryEnd, RetryVerdict
from sidecar.outbound.requests import Failure, Reply


@value_class
class Attempt:
    """What one attempt came to. ``seconds`` it took, ``wait`` seconds the webhook asked for, ``answer`` came back."""

    decision: Decision
    seconds: float
    wait: float = 0.0
    answer: Reply | Failure | None = None


def ended(
    message: Message, attempt: Attempt | PutOff, *, policy: RetryPolicy, random: Random
) -> DeliveryEnd | RetryEnd:
    """Say how an attempt ends: delivered, failed for good, repeated when the policy says so, or put off by us."""
    if isinstance(attempt, PutOff):
        return put_off(message, delay=attempt.delay, reason=attempt.reason)
    if isinstance(message, Retry):
        return _retry_ended(message, attempt, policy, random)
    return _delivery_ended(message, attempt, policy, random)


def put_off(message: Message, *, delay: float, reason: OwnReason) -> DeliveryEnd | RetryEnd:
    """Give a message back for a reason of ours: no attempt is counted, and it is due again in ``delay`` seconds."""
    if isinstance(message, Retry):
        return RetryEnd(
            job_id=message.job_id,
            service=message.service,
            worker=message.worker,
            claim=message.claim,
            verdict=RetryVerdict.DEFERRED,
            reason=reason,
            delay=delay,
        )
    return DeliveryEnd(
        job_id=message.job_id,
        service=message.service,
        worker=message.worker,
        claim=message.claim,
        state=DeliveryState.OPEN,
        status=None,
        reason=None if reason is OwnReason.RELEASED else reason,
        retry_in=delay,
        attempted=False,
    )


def _delivery_ended(delivery: Delivery, attempt: Attempt, policy: RetryPolicy, random: Random) -> DeliveryEnd:
    decision = attempt.decision
    states = {Delivered: DeliveryState.DELIVERED, Silent: DeliveryState.RETRYING}
    return DeliveryEnd(
        job_id=delivery.job_id,
        service=delivery.service,
        worker=delivery.worker,
        claim=delivery.claim,
        state=states.get(type(decision), DeliveryState.FAILED),
        status=decision.status,
        reason=None if isinstance(decision, Delivered) else decision.reason,
        retry_in=policy.delay(1, random=random),
        retry_after=attempt.wait,
        budget=policy.give_up_after,
        seconds=attempt.seconds,
    )


def _retry_ended(retry: Retry, attempt: Attempt, policy: RetryPolicy, random: Random) -> RetryEnd:
    decision = attempt.decision
    verdicts = {Delivered: RetryVerdict.DELIVERED, Silent: RetryVerdict.AGAIN}
    return RetryEnd(
        job_id=retry.job_id,
        service=retry.service,
        worker=retry.worker,
        claim=retry.claim,
        verdict=verdicts.get(type(decision), RetryVerdict.FAILED),
        status=decision.status,
        reason=None if isinstance(decision, Delivered) else decision.reason,
        seconds=attempt.seconds,
        delay=policy.delay(retry.retry_count + 2, random=random),  # this was number retry_count + 1
        wait=attempt.wait,
        budget=policy.give_up_after,
    )
