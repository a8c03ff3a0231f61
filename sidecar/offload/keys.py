"""Names of objects: ``{prefix}yyyy/mm/dd/{job}/{service}/{random}``.

The day is the job's, so that a lifecycle rule or a prune works by prefix. The random part makes every upload an
object of its own: two callbacks that race, or an upload whose answer was lost, never write to the same key.
"""

import secrets
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from sidecar.model.stored import SUFFIXES, Coding

REQUEST: Final = "request"
"""What stands in place of a service in the key of a request's own body."""


def object_key(
    prefix: str, job_id: UUID, part: str, *, coding: Coding | None = None, file: bool = False, random: str | None = None
) -> str:
    """Build a key that no other upload has.

    Args:
        prefix: Begins every key; used as it is, slash and all.
        job_id: The job, a UUIDv7.
        part: The service's name, or :data:`REQUEST`.
        coding: How the object is compressed.
        file: Whether it is served as a compressed file, whose name says so.
        random: The last part, else 96 random bits.
    """
    suffix = SUFFIXES[coding] if file and coding is not None else ""
    return f"{job_prefix(prefix, job_id)}{part}/{random or secrets.token_hex(12)}{suffix}"


def job_prefix(prefix: str, job_id: UUID) -> str:
    """Build what the keys of all objects of a job begin with."""
    return f"{day_prefix(prefix, job_day(job_id))}{job_id}/"


def day_prefix(prefix: str, day: date) -> str:
    """Build what the keys of all objects of a day begin with."""
    return f"{prefix}{day:%Y/%m/%d}/"


def job_day(job_id: UUID) -> date:
    """Tell the UTC day of a job: a UUIDv7 begins with 48 bits of milliseconds (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC).date()
