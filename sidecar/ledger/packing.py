"""Small bodies are compressed before they are stored: Postgres does that only to rows of more than 2 KB."""

import zstandard

LEAST = 256
"""Bytes below which nothing is gained."""

MOST = 2_000
"""Bytes above which Postgres compresses by itself (TOAST)."""

LEVEL = 1
WORTH = 0.875
"""The part of its size that a body may have left; else it is stored as it is."""


class Packing:
    """Compresses; one for each thread, since the compressor keeps its memory."""

    def __init__(self) -> None:
        self._press = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)

    def pack(self, body: bytes) -> tuple[bytes, bool]:
        """Return what is to be stored, and whether that is compressed."""
        size = len(body)
        if not LEAST <= size <= MOST:
            return body, False
        packed = self._press.compress(body)
        return (packed, True) if len(packed) <= WORTH * size else (body, False)


def unpack(body: bytes, packed: bool | None) -> bytes:  # noqa: FBT001 - the two cells of a row
    """Return the body of a row.

    Raises:
        zstandard.ZstdError: The stored bytes were damaged.
    """
    return zstandard.decompress(body, max_output_size=MOST) if packed and body else body
