"""The closed set of log events. Each line of the log names one of them."""

from enum import StrEnum


class Event(StrEnum):
    """What happened. The names are stable: alerts and searches may use them."""

    STARTED = "sidecar.started"
    SETTING_UNSERVED = "setting.unserved"
    STOPPING = "sidecar.stopping"
    STOPPED = "sidecar.stopped"
    JOB_ACCEPTED = "job.accepted"
    JOB_REJECTED = "job.rejected"
    INVOCATION_ATTEMPTED = "invocation.attempted"
    CALLBACK_RECEIVED = "callback.received"
    DELIVERY_ATTEMPTED = "delivery.attempted"
    LEDGER_UNAVAILABLE = "ledger.unavailable"
    STORE_UNAVAILABLE = "store.unavailable"
    ENDPOINT_UNREACHABLE = "endpoint.unreachable"
    BODY_MOVED = "body.moved"
    OBJECTS_DELETED = "objects.deleted"
    WORKER_DEAD = "worker.dead"
    WORK_TAKEN_OVER = "work.taken_over"
    WORK_RECONCILED = "work.reconciled"
    WORK_RELEASED = "work.released"
    WORK_PARKED = "work.parked"
    DEADLINE_PASSED = "deadline.passed"
    PARTITION_CREATED = "partition.created"
    PARTITION_DROPPED = "partition.dropped"
    LISTENER_PROBLEM = "listener.problem"
    TASK_FAILED = "task.failed"
    DUTY_FAILED = "duty.failed"
    LIBRARY_MESSAGE = "library.message"
