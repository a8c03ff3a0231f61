"""What follows from a webhook's answer, or from its silence: one table, pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sidecar.kit.value_class import value_class
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.outbound.wso2 import fault_code, wso2_fault


@value_class
class Delivered:
    """The webhook has it."""

    status: int


@value_class
class Silent:
    """The webhook did not answer, or said that it cannot now: worth another attempt later."""

    status: int | None
    reason: DeliveryReason


@value_class
class Rejected:
    """The webhook will never take it: another attempt would end the same."""

    status: int | None  # None: a fault of ours, nothing was sent
    reason: DeliveryReason


@value_class
class PutOff:
    """A fault of ours, nothing was sent: no attempt, and worth another look in ``delay`` seconds."""

    reason: OwnReason
    delay: float


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """Which answers mean that the webhook is silent: ``statuses``, and WSO2's faults if ``wso2_faults``."""

    statuses: frozenset[int] = frozenset({408, 429, 502, 503, 504})
    wso2_faults: bool = True


Decision = Delivered | Silent | Rejected
"""What an attempt came to."""

_FORBIDDEN = 403
_WSO2_FORBIDS: Mapping[int, DeliveryReason] = MappingProxyType(
    {900908: DeliveryReason.NOT_SUBSCRIBED, 900910: DeliveryReason.SCOPE_MISSING}
)

_REASONS: Mapping[int, DeliveryReason] = MappingProxyType(
    {
        408: DeliveryReason.REQUEST_TIMEOUT,
        429: DeliveryReason.TOO_MANY_REQUESTS,
        502: DeliveryReason.BAD_GATEWAY,
        503: DeliveryReason.UNAVAILABLE,
        504: DeliveryReason.GATEWAY_TIMEOUT,
        401: DeliveryReason.UNAUTHORIZED,
        403: DeliveryReason.FORBIDDEN,
        410: DeliveryReason.GONE,
        413: DeliveryReason.TOO_LARGE,
        415: DeliveryReason.UNSUPPORTED_TYPE,
    }
)
_FAILURES: Mapping[FailureKind, DeliveryReason] = MappingProxyType(
    {
        FailureKind.DNS: DeliveryReason.DNS,
        FailureKind.CONNECT: DeliveryReason.CONNECT,
        FailureKind.UNSENDABLE: DeliveryReason.INTERNAL,
        FailureKind.TLS: DeliveryReason.TLS,
        FailureKind.RESET: DeliveryReason.RESET,
        FailureKind.POOL: DeliveryReason.TIMEOUT,
        FailureKind.TIMEOUT_CONNECT: DeliveryReason.TIMEOUT,
        FailureKind.TIMEOUT: DeliveryReason.TIMEOUT,
        FailureKind.BAD_RESPONSE: DeliveryReason.BAD_RESPONSE,
        FailureKind.EGRESS: DeliveryReason.EGRESS,
    }
)
_OURS = frozenset({FailureKind.EGRESS, FailureKind.UNSENDABLE})


def decide(answer: Reply | Failure, rule: SilenceRule) -> Decision:
    """Decide what an attempt at a webhook came to."""
    if isinstance(answer, Failure):
        reason = _FAILURES[answer.kind]
        # What may not be called is not called again by itself: an operator who opens it can send it again. Nor is what
        # cannot be written: that tells nothing of the webhook.
        return Rejected(None, reason) if answer.kind in _OURS else Silent(None, reason)
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110: successful
        return Delivered(status)
    if rule.wso2_faults and wso2_fault(status, answer.body):
        return Silent(status, DeliveryReason.WSO2_FAULT)
    reason = _REASONS.get(status) or _by_class(status)
    if status == _FORBIDDEN:
        reason = _WSO2_FORBIDS.get(fault_code(answer.body) or 0, reason)
    return Silent(status, reason) if status in rule.statuses else Rejected(status, reason)


def _by_class(status: int) -> DeliveryReason:
    if status < 400:  # noqa: PLR2004 - RFC 9110: redirection, never followed
        return DeliveryReason.REDIRECT
    return DeliveryReason.REJECTED if status < 500 else DeliveryReason.SERVER_ERROR  # noqa: PLR2004 - RFC 9110
