"""Where the SQL lies: beside the package in a source tree, inside it when installed."""

from dataclasses import dataclass, fields
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from sidecar.model.errors import LedgerError


def sql_directory(name: str) -> Traversable:
    """Find ``sql/<name>``.

    Raises:
        LedgerError: The installation has no SQL.
    """
    package = files("sidecar")
    for candidate in (package / "sql" / name, package / ".." / "sql" / name):
        if candidate.is_dir():
            return candidate
    raise LedgerError(f"the installation lacks the directory sql/{name}")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change of the schema, as ``NNNN_words.sql``."""

    version: int
    name: str
    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text: an applied migration may never change."""
        return sha256(self.text.encode()).digest()


def load_migrations() -> tuple[Migration, ...]:
    """Read all migrations in order.

    Raises:
        LedgerError: The numbers are not 1, 2, 3 and so on.
    """
    paths = sorted((p for p in sql_directory("migrations").iterdir() if p.name.endswith(".sql")), key=lambda p: p.name)
    found = tuple(Migration(int(p.name[:4]), p.name.removesuffix(".sql"), p.read_text("utf-8")) for p in paths)
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise LedgerError("the migrations are not numbered 0001, 0002 and so on without a gap")
    return found


@dataclass(frozen=True, slots=True)
class Queries:
    """The text of every query, by the name of its file. A file without a field, or the other way round, is an error."""

    accept: str
    add_partition: str
    audit: str
    audit_write: str
    backlog: str
    backlog_due: str
    cancel_deliveries: str
    cancel_retries: str
    claim_deliveries: str
    claim_invocations: str
    claim_retries: str
    clock: str
    drop_requests: str
    drop_results: str
    endpoint_close: str
    endpoint_hold: str
    endpoint_names: str
    endpoint_open: str
    endpoint_pause: str
    endpoint_probe: str
    endpoint_resume: str
    endpoint_states: str
    endpoints_away: str
    endpoints_with_work: str
    erase_job: str
    erased: str
    expired: str
    finish: str
    finish_retry: str
    give_back_deliveries: str
    give_back_invocations: str
    give_back_retries: str
    held: str
    job: str
    job_deliveries: str
    job_services: str
    jobs: str
    kept: str
    keys: str
    lease_leave: str
    lease_take: str
    migration_applied: str
    migration_lock: str
    migration_table: str
    migrations_applied: str
    moved: str
    objects_deleted: str
    objects_over: str
    objects_put_off: str
    objects_unwanted: str
    open_since: str
    parked: str
    partition_attach: str
    partition_detach: str
    partition_drop: str
    partition_finalize: str
    partition_open: str
    partition_retrying: str
    partitions: str
    parts: str
    prune_audit: str
    prune_endpoints: str
    prune_idempotency: str
    prune_pulse: str
    prune_retries: str
    prune_workers: str
    pulse: str
    pulse_add: str
    receiving: str
    record: str
    redrive_deliveries: str
    redrive_retries: str
    refuse_all: str
    release: str
    release_all_deliveries: str
    release_all_invocations: str
    release_all_retries: str
    retries: str
    retries_counted: str
    retries_since: str
    retry_endpoints_with_work: str
    schema_version: str
    server: str
    service_call: str
    service_keys_with_work: str
    standing: str
    start_retry: str
    story_deliveries: str
    story_job: str
    story_services: str
    sweep_back: str
    sweep_job: str
    sweep_jobs: str
    sweep_upto: str
    take_over_deliveries: str
    take_over_invocations: str
    take_over_retries: str
    unmoved: str
    unreachable_deliveries: str
    unreachable_retries: str
    uploaded: str
    usage: str
    worker_beat: str
    worker_bury: str
    worker_leave: str
    worker_observe: str
    worker_register: str
    workers_alive: str


def load_queries() -> Queries:
    """Read all queries, each led by its name so that the server's statistics show it.

    Raises:
        LedgerError: A query lacks its file, or a file its query.
    """
    found = {
        path.name.removesuffix(".sql"): path.read_text("utf-8")
        for path in sql_directory("queries").iterdir()
        if path.name.endswith(".sql")
    }
    known = {field.name for field in fields(Queries)}
    if found.keys() != known:
        raise LedgerError(f"queries and sql/queries differ: {', '.join(sorted(found.keys() ^ known))}")
    return Queries(**{name: f"-- {name}\n{text}" for name, text in found.items()})
