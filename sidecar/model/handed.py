"""What became of a result that was put to the caller's own upload-url: remembered, so that it is put once."""

from dataclasses import asdict, dataclass
from typing import Self

import orjson


@dataclass(frozen=True, slots=True)
class Handed:
    """Where the object lies, or the reason why it could not be put. ``size`` and ``sha256`` are of what was put.

    They are told for an aggregate only: it is rendered on its way, and lies nowhere else.
    """

    url: str = ""  # without the query, which was the permission
    etag: str = ""
    failure: str | None = None
    size: int = 0
    sha256: str = ""

    def dump(self) -> bytes:
        """Write JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def load(cls, document: bytes) -> Self:
        """Read what :meth:`dump` wrote; fields that a later version added are passed over."""
        fields = orjson.loads(document)
        return cls(**{name: fields[name] for name in cls.__slots__ if name in fields})
