"""The ledger in Postgres: the bus of the flow, and the only importer of asyncpg."""

from sidecar.ledger.audit import Audit, AuditEntry
from sidecar.ledger.claims import WorkPage
from sidecar.ledger.clock import quick_id
from sidecar.ledger.config import Handover, LedgerConfig
from sidecar.ledger.dropping import Swept
from sidecar.ledger.ledger import Ledger
from sidecar.ledger.migrate import migrate
from sidecar.ledger.partitions import Pruned
from sidecar.ledger.registry import Registry
from sidecar.ledger.stats import LedgerStats
from sidecar.ledger.sweeps import Held, OpenInvocation

__all__ = [
    "Audit",
    "AuditEntry",
    "Handover",
    "Held",
    "Ledger",
    "LedgerConfig",
    "LedgerStats",
    "OpenInvocation",
    "Pruned",
    "Registry",
    "Swept",
    "WorkPage",
    "migrate",
    "quick_id",
]
