"""What a session of the database is told when it begins: who it is, its limits, and how it plans."""

from collections.abc import Callable
from pathlib import Path

from sidecar.ledger.config import LedgerConfig

PLANNED_EACH_TIME = {"plan_cache_mode": "force_custom_plan"}
"""Scans are planned for their arguments: only then are the bounds on job_id seen, and few partitions touched."""

PLANNED_ONCE = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "seq_page_cost": "0.1",
    "random_page_cost": "0.1",
    "cpu_tuple_cost": "1",
}
"""Where every row is found by its whole key, there is one good plan: the index of that key, row by row.

To make it takes longer than to run it, so it is kept, and neither a young nor a huge partition may lead the planner
elsewhere. Rows cost much more than pages, since the scan of a table that was empty a moment ago must not look cheaper
than its keys.
"""

DISCARD_PLANS = "DISCARD PLANS"
PLANS_KEPT = 5.0
"""Seconds. Where a partition was empty and was analysed as such, a plan may still be wrong, but not for long."""


def server_settings(config: LedgerConfig, name: str, *, keyed: bool) -> dict[str, str]:
    """Build the settings of a session."""
    return {
        "application_name": f"sidecar {name}",
        "statement_timeout": str(int(config.statement_timeout * 1000)),
        "idle_in_transaction_session_timeout": "10000",
        **(PLANNED_ONCE if keyed else PLANNED_EACH_TIME),
        "jit": "off",
        "timezone": "UTC",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


def password_reader(file: Path | None) -> Callable[[], str] | None:
    """Build what reads the password anew at each connect; None leaves it to the address."""
    return None if file is None else lambda: file.read_text("utf-8").strip()
