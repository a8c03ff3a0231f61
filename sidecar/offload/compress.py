"""Compression in a stream, and its way back with a limit: a few bytes may claim to be gigabytes.

Everything here works on bytes and blocks; whoever calls it from a loop does so in a thread.
"""

from collections.abc import Iterator
from typing import Final, Protocol, cast

import zstandard
from isal import isal_zlib

from sidecar.model.stored import Coding
from sidecar.offload.errors import OffloadCorrupt

GZIP_LEVEL: Final = 1  # of isal: as small as zlib's level 2 or 3, many times faster
ZSTD_LEVEL: Final = 1
PIECE: Final = 256 * 1024  # bytes given out at once when unpacking
_GZIP_ERROR = cast("type[Exception]", isal_zlib.error)  # the library's stubs take the class for an instance
_GZIP: Final = 31  # window bits: 15, and a gzip header (zlib's manual, deflateInit2)
# zstd unpacks all that it is given: a block of 4 bytes may hold 128 KiB, so this much input gives 16 MiB at most.
_ZSTD_BITE: Final = 512
_ZSTD_WINDOW: Final = 8 * 1024 * 1024  # what every decoder should support, and no more (RFC 8878, 3.1.1.1.2)


class Compressor(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some, and give what is ready, often nothing."""

    def flush(self) -> bytes:
        """Give the rest."""


class Decompressor(Protocol):
    """Unpacks a stream."""

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        """Take some, and yield it unpacked; a further feed needs this one to be exhausted.

        Raises:
            OffloadCorrupt: It is damaged, or more than the limit.
        """

    def end(self) -> None:
        """Make sure that nothing is missing.

        Raises:
            OffloadCorrupt: The stream is cut off.
        """


class _AsItIs:
    """No compression."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def compressor(coding: Coding | None) -> Compressor:
    """Begin to compress."""
    match coding:
        case "gzip":
            return isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP)
        case "zstd":
            return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        case None:
            return _AsItIs()


def decompressor(coding: Coding | None, *, limit: int) -> Decompressor:
    """Begin to unpack ``limit`` bytes at most."""
    match coding:
        case "gzip":
            return _Gunzip(limit)
        case "zstd":
            return _Unzstd(limit)
        case None:
            return _Counted(limit)


class _Counted:
    """Counts what was given out against the limit."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        yield self._counted(data)

    def end(self) -> None:
        """Nothing can be missing that anybody here knows of."""

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise OffloadCorrupt("the body is larger than it should be")
        return data


class _Gunzip(_Counted):
    """One or more gzip members (RFC 1952, 2.2)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._member = isal_zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._member.eof:
                self._member = isal_zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                piece = self._member.decompress(data, PIECE)
            except _GZIP_ERROR as error:
                raise OffloadCorrupt("the gzip stream is damaged") from error
            ended = self._member.eof
            # A full piece may leave more inside the decoder, even if all input is used up.
            full = not ended and len(piece) == PIECE
            data = self._member.unused_data if ended else self._member.unconsumed_tail
            if piece:
                yield self._counted(piece)

    def end(self) -> None:
        if not self._begun or not self._member.eof:
            raise OffloadCorrupt("the gzip stream is cut off")


class _Unzstd(_Counted):
    """One or more zstd frames (RFC 8878, 3.1)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decoder.decompressobj()
        self._begun = False

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_BITE):
            bite = data[start : start + _ZSTD_BITE]
            while bite:
                if self._frame.eof:
                    self._frame = self._decoder.decompressobj()
                self._begun = True
                try:
                    piece = self._frame.decompress(bite)
                except zstandard.ZstdError as error:
                    raise OffloadCorrupt("the zstd stream is damaged") from error
                if piece:
                    yield self._counted(piece)
                bite = self._frame.unused_data if self._frame.eof else b""

    def end(self) -> None:
        if not self._begun or not self._frame.eof:
            raise OffloadCorrupt("the zstd stream is cut off")
