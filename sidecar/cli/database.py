"""How commands reach the database."""

from sidecar.ledger.config import LedgerConfig
from sidecar.settings.database import DatabaseSettings


def ledger_config(database: DatabaseSettings, *, patience: float = 0.0) -> LedgerConfig:
    """Read the settings for one connection whose statements may take ``patience`` seconds, or longer if set so."""
    return LedgerConfig(
        dsn=database.dsn.get_secret_value(),
        password=database.password.get_secret_value() if database.password else None,
        password_file=database.password_file,
        pool=1,
        pooler=database.pooler,
        statement_timeout=max(database.statement_timeout, patience),
    )
