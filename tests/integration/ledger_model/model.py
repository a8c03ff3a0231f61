"""The ledger as it is meant: a few rules in plain Python, without a database, batches or races."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

PARKED_AFTER = 3
"""Take-overs after which work is not given to anybody again."""


@dataclass
class Call:
    """An invocation: open until ``outcome`` says how it ended."""

    outcome: str | None = None
    digest: bytes | None = None
    failed: bool = False
    owner: int | None = None
    claim: int = 0
    takeovers: int = 0
    unsure: bool = False
    due: bool = False

    @property
    def open(self) -> bool:
        return self.outcome is None

    @property
    def claimable(self) -> bool:
        return self.open and self.owner is None and self.due

    @property
    def parked(self) -> bool:
        return self.open and self.owner is None and self.takeovers > PARKED_AFTER

    def lose_owner(self) -> None:
        """Its owner died, or does not know of it."""
        self.owner, self.unsure = None, True
        self.due = self.takeovers < PARKED_AFTER
        self.takeovers += 1


@dataclass
class Sequence:
    """The retry sequence of a message."""

    state: str = "pending"
    owner: int | None = None
    claim: int = 0
    takeovers: int = 0
    retries: int = 0
    redrives: int = 0

    @property
    def claimable(self) -> bool:
        return self.state == "pending" and self.owner is None


@dataclass
class Message:
    """A delivery, with its retry sequence once there is one."""

    state: str = "open"
    owner: int | None = None
    claim: int = 0
    takeovers: int = 0
    sequence: Sequence | None = None

    @property
    def claimable(self) -> bool:
        return self.state == "open" and self.owner is None

    def lose_owner(self) -> None:
        self.owner = None
        self.state = "open" if self.takeovers < PARKED_AFTER else "failed"
        self.takeovers += 1

    def lose_sequence_owner(self) -> None:
        assert self.sequence is not None
        self.sequence.owner = None
        if self.sequence.takeovers >= PARKED_AFTER:
            self.end_sequence("failed")
        self.sequence.takeovers += 1

    def end_sequence(self, state: str) -> None:
        """End the sequence, and the delivery with it."""
        assert self.sequence is not None
        self.sequence.state = self.state = state
        self.sequence.owner = None


@dataclass
class Job:
    """One job: its calls by service, and its messages by what they are about ('' is the aggregate)."""

    aggregated: bool
    calls: dict[str, Call]
    messages: dict[str, Message] = field(default_factory=dict)

    def end(self, service: str, outcome: str, *, digest: bytes | None, failed: bool, owner: int | None) -> None:
        """Record an outcome; ``owner`` is who gets the message that it may make, and ``digest`` None makes none."""
        call = self.calls[service]
        assert call.open
        call.outcome, call.digest, call.failed = outcome, digest, failed
        call.owner, call.due = None, False
        if self.aggregated:
            if not any(other.open for other in self.calls.values()):
                self.messages[""] = new_message(owner)
        elif digest is not None:
            self.messages[service] = new_message(owner)


def new_message(owner: int | None) -> Message:
    return Message(owner=owner, claim=int(owner is not None))


Key = tuple[UUID, str]


@dataclass
class Ledger:
    """All jobs."""

    jobs: dict[UUID, Job] = field(default_factory=dict)

    def calls(self) -> Iterator[tuple[Key, Call]]:
        for job_id, job in self.jobs.items():
            for service, call in job.calls.items():
                yield (job_id, service), call

    def messages(self) -> Iterator[tuple[Key, Message]]:
        for job_id, job in self.jobs.items():
            for service, message in job.messages.items():
                yield (job_id, service), message

    def take_over(self, alive: set[int]) -> int:
        """Free what belongs to workers that are not alive; tell how much."""
        freed = 0
        for _, call in self.calls():
            if call.open and call.owner is not None and call.owner not in alive:
                call.lose_owner()
                freed += 1
        for _, message in self.messages():
            if message.state == "open" and message.owner is not None and message.owner not in alive:
                message.lose_owner()
                freed += 1
            sequence = message.sequence
            if sequence is not None and sequence.owner is not None and sequence.owner not in alive:
                message.lose_sequence_owner()
                freed += 1
        return freed

    def redrive(self, job_id: UUID) -> int:
        """Begin anew what failed and what waits, of one job by its name."""
        done = 0
        for message in self.jobs[job_id].messages.values():
            sequence = message.sequence
            if sequence is None:
                if message.state != "failed":
                    continue
                message.sequence = Sequence(redrives=1)
            elif sequence.state == "failed" or sequence.claimable:
                sequence.state, sequence.retries, sequence.takeovers = "pending", 0, 0
                sequence.redrives += 1
            else:
                continue
            message.state = "retrying"
            done += 1
        return done

    def cancel(self, job_id: UUID) -> int:
        """Give up what is not over."""
        done = 0
        for message in self.jobs[job_id].messages.values():
            if message.state == "open":
                message.state, message.owner = "cancelled", None
                done += 1
            elif message.state == "retrying":
                message.end_sequence("cancelled")
                done += 1
        return done
