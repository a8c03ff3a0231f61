"""Postgres, where the ledger lives."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from sidecar.settings.section import Section
from sidecar.settings.units import MIB, SECOND, Duration, Size, lasting, sized


def _check_dsn(dsn: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(dsn.get_secret_value())
        usable = parts.scheme in {"postgresql", "postgres"} and len(parts.path) > 1
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("is not a Postgres address; write it like postgresql://user@host:5432/database")
    return dsn


class DatabaseSettings(Section):
    """Postgres, where the ledger lives."""

    dsn: Annotated[SecretStr, AfterValidator(_check_dsn)]
    """Address of the database, postgresql://user@host/name; never printed, since it may hold a password."""
    password: SecretStr | None = None
    """The password itself: for the environment, never for the file."""
    password_file: Path | None = None
    """File that holds the password; it is read again at every connect."""
    pool: int = Field(default=10, ge=2, le=1000)
    """Connections of one worker process for claims, duties and reads; writes and the beat have three more."""
    pooler: Literal["none", "transaction"] = "none"
    """``transaction`` works behind a pooler that changes connections between transactions, such as PgBouncer."""
    max_body: Annotated[Size, sized("1KiB", "512MiB")] = 32 * MIB
    """Largest body that is stored in Postgres, a size; without offload.bucket a larger one is refused with 413."""
    statement_timeout: Annotated[Duration, lasting("100ms", "10m")] = 10 * SECOND
    """Longest time of one statement, a duration; a commit whose answer was lost is noticed after three."""
