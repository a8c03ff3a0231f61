"""The time line of a job: what the ledger knows, in the order in which it happened, what is awaited last. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from sidecar.model.audit import AuditRecord
from sidecar.model.outcome import OutcomeKind, ResultStatus
from sidecar.model.retry import RetryAttempt, RetryState
from sidecar.model.seen_jobs import JobFacts, JobProgress, MessageFacts, ServiceFacts
from sidecar.model.seen_retries import LedgerRow
from sidecar.model.story import Leg, Mood, StoryEvent

WAITS = {
    "being_sent": "It is being sent right now.",
    "endpoint_held": "An operator holds its endpoint; it waits until somebody resumes it.",
    "circuit_open": "Its endpoint is away; one probe is sent from time to time, and what waits follows it.",
    "endpoint_paused": "Its endpoint asked for a pause.",
    "backoff": "It is sent again when its time has come.",
    "turn": "It is due, and waits for nothing but its turn.",
}

_webhook = partial(StoryEvent, leg=Leg.WEBHOOK)
_service = partial(StoryEvent, leg=Leg.SERVICE)


def story_events(
    facts: JobFacts, rows: Iterable[LedgerRow], audit: Iterable[AuditRecord], *, now: datetime
) -> tuple[StoryEvent, ...]:
    """Tell what happened to a job."""
    kept = {row.service: row for row in rows}
    events = [_accepted(facts), *map(_by_hand, audit)]
    for service in facts.services:
        events += _calls(service)
    for message in facts.messages:
        events += _sends(message, kept.get(message.service))
    return tuple(sorted(events, key=lambda event: (event.at is None or event.at > now, event.at or now)))


def why_waiting(waits_for: str | None) -> str:
    """Say in a sentence what a message waits for."""
    return WAITS.get(waits_for or "", f"A fault of ours put it off: {waits_for}.")


def _accepted(facts: JobFacts) -> StoryEvent:
    job = facts.summary
    refused = job.state is JobProgress.REFUSED
    text = f"Accepted from {job.application} at {job.method} {job.route}, for {_services(job.services_total)}"
    text += "; all of them refused, the caller was told so, and the webhook hears nothing." if refused else "."
    return StoryEvent(job.created_at, Leg.CALLER, "accepted", text, Mood.BAD if refused else Mood.PLAIN)


def _by_hand(entry: AuditRecord) -> StoryEvent:
    count = entry.detail.get("count")
    about = "" if count in {None, 1} else f", with others: {count} messages in all"
    return StoryEvent(
        entry.at, Leg.OPERATOR, entry.action, f"{_DONE.get(entry.action, entry.action)} by {entry.actor}{about}."
    )


_DONE = {"redrive": "Redriven", "cancel": "Cancelled", "erase": "Erased", "pause": "Paused", "resume": "Resumed"}


def _calls(one: ServiceFacts) -> Iterator[StoryEvent]:
    for tried in one.history:
        yield _service(
            at=tried.at,
            what="call_failed",
            text=f"A call of {one.service} {_came_of(tried.status, tried.reason)}; it is repeated.",
            mood=Mood.BAD,
            service=one.service,
            status=tried.status,
            reason=tried.reason,
        )
    if one.acknowledged_at is not None and one.acknowledged_at != one.finished_at:
        yield _service(
            at=one.acknowledged_at,
            what="acknowledged",
            text=f"{one.service} took the call.",
            mood=Mood.GOOD,
            service=one.service,
            status=one.last_status,
        )
    yield _open_call(one) if one.outcome is None else _ended_call(one)


def _ended_call(one: ServiceFacts) -> StoryEvent:
    good = one.status == ResultStatus.SUCCEEDED
    return _service(
        at=one.finished_at,
        what=f"outcome_{one.outcome}",
        text=_OUTCOMES.get(one.outcome or "", "{service} ended.").format(service=one.service, status=one.status),
        mood=Mood.GOOD if good else Mood.BAD,
        service=one.service,
        status=None if one.outcome == OutcomeKind.RESULT else one.last_status,
        reason=one.last_reason,
    )


_OUTCOMES: Mapping[str, str] = {
    OutcomeKind.RESULT: "The result of {service} came: {status}.",
    OutcomeKind.REFUSED: "{service} refused the call.",
    OutcomeKind.ERROR: "{service} yielded no result.",
    OutcomeKind.DEADLINE: "{service} gave no result until the deadline.",
    OutcomeKind.CANCELLED: "The call of {service} was cancelled.",
    OutcomeKind.ACKNOWLEDGED: "{service} took the call; nothing more is expected of it.",
}


def _open_call(one: ServiceFacts) -> StoryEvent:
    tell = partial(_service, mood=Mood.WAITING, service=one.service)
    if one.under_way:
        return tell(at=one.claimed_at, what="call_under_way", text=f"{one.service} is being called.")
    if one.receiving:
        return tell(at=None, what="result_arriving", text=f"The result of {one.service} is arriving.")
    if one.next_attempt_at is not None:
        text = f"{one.service} is called {'again' if one.attempts else 'as soon as there is room'}."
        return tell(at=one.next_attempt_at, what="call_due", text=text, reason=one.last_reason)
    doubt = ", although nobody knows whether the call arrived" if one.unsure else ""
    text = f"The result of {one.service} is awaited until then{doubt}."
    return tell(at=one.deadline_at, what="deadline", text=text, status=one.last_status, reason=one.last_reason)


def _sends(one: MessageFacts, row: LedgerRow | None) -> Iterator[StoryEvent]:
    service, name = one.service or None, _message(one)
    yield _webhook(at=one.created_at, what="message_made", text=f"{name} was made: {one.kind}.", service=service)
    tried: Sequence[RetryAttempt] = () if row is None else row.history
    for attempt in tried:
        yield _attempt(attempt, name=name, service=service)
    if one.state in {"open", "retrying"}:
        yield _waits(one, row, name=name)
    elif one.state != RetryState.DELIVERED or not tried:
        yield _ended(one, row, name=name)


def _attempt(attempt: RetryAttempt, *, name: str, service: str | None) -> StoryEvent:
    good = attempt.reason is None
    return _webhook(
        at=attempt.at,
        what="delivered" if good else "attempt_failed",
        text=f"{name} was delivered." if good else f"{name} {_came_of(attempt.status, attempt.reason)}.",
        mood=Mood.GOOD if good else Mood.BAD,
        service=service,
        status=attempt.status,
        reason=attempt.reason,
        seconds=attempt.seconds,
    )


def _waits(one: MessageFacts, row: LedgerRow | None, *, name: str) -> StoryEvent:
    why = one.waits_for if row is None else row.waits_for
    sending = why == "being_sent"
    due = one.due_at if row is None else row.next_attempt_at
    return _webhook(
        at=one.claimed_at if sending and row is None else due,
        what="sending" if sending else "next_attempt",
        text=f"{name}: {why_waiting(why)}",
        mood=Mood.WAITING,
        service=one.service or None,
        reason=why,
    )


def _ended(one: MessageFacts, row: LedgerRow | None, *, name: str) -> StoryEvent:
    tell = partial(_webhook, at=one.finished_at, service=one.service or None)
    reason = one.last_reason if row is None else row.reason
    if one.state == RetryState.DELIVERED:
        return tell(what="delivered", text=f"{name} was delivered.", mood=Mood.GOOD, status=one.last_status)
    if one.state == RetryState.CANCELLED:
        return tell(what="cancelled", text=f"{name} was given up by an operator.", mood=Mood.BAD)
    # Without a retry, its only attempt is not in a history.
    alone = one.attempts and (row is None or not row.history)
    came = f": an attempt {_came_of(one.last_status, reason)}" if alone else ""
    return tell(
        what="failed",
        text=f"{name} failed for good{came}. It can be redriven.",
        mood=Mood.BAD,
        status=one.last_status,
        reason=reason,
    )


def _came_of(status: int | None, reason: str | None) -> str:
    if status is not None:
        return f"was answered with {status}"
    return f"got no answer ({reason})" if reason else "ended"


def _message(one: MessageFacts) -> str:
    return f"The message about {one.service}" if one.service else "The aggregate message"


def _services(count: int) -> str:
    return "one service" if count == 1 else f"{count} services"
