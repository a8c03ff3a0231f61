"""How a batch goes to Postgres: its plain cells as one JSON text, and only bodies and headers as arrays.

Of each cell of an array the driver asks whether it is an array itself; for a text that takes ten times as long.
"""

from collections.abc import Sequence
from uuid import UUID

import orjson

from sidecar.model.errors import LedgerRejected


def as_json(rows: Sequence[object]) -> str:
    """Render rows, mappings or dataclasses, for ``json_to_recordset``.

    Raises:
        LedgerRejected: A text of one of them has no form in UTF-8.
    """
    try:
        return orjson.dumps(rows, default=_text).decode()
    except orjson.JSONEncodeError as error:
        raise LedgerRejected("a text cannot be encoded") from error


def _text(value: object) -> str:
    """Render the driver's own kind of UUID."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a cell cannot be a {type(value).__name__}")
