"""A body that lies in the object store, as the ledger remembers it."""

from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import orjson

Coding = Literal["gzip", "zstd"]
"""How the store's bytes were compressed by us."""

SUFFIXES: Final[dict[Coding, str]] = {"gzip": ".gz", "zstd": ".zst"}
"""End of the key of an object that is served as a compressed file."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Where a body lies, how large it is, and what it must be.

    ``size`` and ``sha256`` are of the body, ``stored_size`` and ``stored_sha256`` of the bytes in the store. They
    are the same when ``coding`` is ``None``: the body was stored as it came, perhaps compressed by its sender. Both
    digests are empty where a service uploaded the body by itself: nobody here has read it.
    """

    bucket: str
    key: str
    size: int
    sha256: bytes
    stored_size: int
    stored_sha256: bytes
    coding: Coding | None
    etag: str

    @property
    def content_encoding(self) -> Coding | None:
        """What the store says in Content-Encoding for our compression; ``None`` when it serves a compressed file."""
        if self.coding is None or self.key.endswith(SUFFIXES[self.coding]):
            return None
        return self.coding

    def dump(self) -> bytes:
        """Write JSON, digests as hexadecimal text."""
        return orjson.dumps(
            {
                "bucket": self.bucket,
                "key": self.key,
                "size": self.size,
                "sha256": self.sha256.hex(),
                "stored_size": self.stored_size,
                "stored_sha256": self.stored_sha256.hex(),
                "coding": self.coding,
                "etag": self.etag,
            }
        )

    @classmethod
    def load(cls, document: bytes | str) -> Self:
        """Read what :meth:`dump` wrote; fields that a later version added are passed over.

        Raises:
            ValueError: It is no such document.
        """
        return cls.of(orjson.loads(document))

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """Make one of the fields of a document.

        Raises:
            ValueError: A field is missing or is not what it should be.
        """
        try:
            return cls(
                bucket=str(fields["bucket"]),
                key=str(fields["key"]),
                size=int(fields["size"]),
                sha256=bytes.fromhex(fields["sha256"]),
                stored_size=int(fields["stored_size"]),
                stored_sha256=bytes.fromhex(fields["stored_sha256"]),
                coding=_coding(fields["coding"]),
                etag=str(fields["etag"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the document of a stored object: {error!r}") from error


def _coding(value: object) -> Coding | None:
    match value:
        case None | "gzip" | "zstd":
            return value
        case _:
            raise ValueError(f"{value!r} is no coding that this version knows")
