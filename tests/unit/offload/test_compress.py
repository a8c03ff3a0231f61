"""Compression and its way back, whatever the pieces; damage, cuts and bombs."""

import gzip
import io
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.stored import Coding
from sidecar.offload.compress import PIECE, compressor, decompressor
from sidecar.offload.errors import OffloadCorrupt

CODINGS: list[Coding | None] = ["gzip", "zstd", None]
PACKED: list[Coding] = ["gzip", "zstd"]


def packed(coding: Coding | None, *pieces: bytes) -> bytes:
    press = compressor(coding)
    return b"".join([*(press.compress(piece) for piece in pieces), press.flush()])


def unpacked(coding: Coding | None, data: bytes, *, limit: int, step: int = 1 << 20) -> bytes:
    unpacking = decompressor(coding, limit=limit)
    pieces = [piece for start in range(0, len(data), step) for piece in unpacking.feed(data[start : start + step])]
    unpacking.end()
    assert all(len(piece) <= 32 * PIECE * 4 for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("coding", CODINGS)
@given(pieces=st.lists(st.binary(max_size=5000), max_size=8), step=st.integers(1, 3000), times=st.integers(1, 50))
def test_what_went_in_comes_out_however_it_is_cut(
    coding: Coding | None, pieces: list[bytes], step: int, times: int
) -> None:
    body = b"".join(pieces) * times
    data = packed(coding, *pieces * times)
    assert unpacked(coding, data, limit=len(body), step=step) == body


@pytest.mark.parametrize("coding", PACKED)
def test_other_programs_understand_it(coding: Coding) -> None:
    body = b"some text, " * 100_000
    data = packed(coding, body[:7], body[7:])
    if coding == "gzip":
        assert gzip.decompress(data) == body
    else:
        assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read() == body


@pytest.mark.parametrize("coding", PACKED)
def test_several_streams_in_a_row_are_one_body(coding: Coding) -> None:
    data = packed(coding, b"one ") + packed(coding, b"two")
    assert unpacked(coding, data, limit=7, step=3) == b"one two"
    assert unpacked(coding, data, limit=7) == b"one two"


@pytest.mark.parametrize("coding", PACKED)
@given(body=st.binary(min_size=1, max_size=2000), kept=st.floats(0, 0.999))
def test_a_stream_that_is_cut_off_is_told_apart(coding: Coding, body: bytes, kept: float) -> None:
    data = packed(coding, body)
    with pytest.raises(OffloadCorrupt):
        unpacked(coding, data[: int(len(data) * kept)], limit=len(body))


@pytest.mark.parametrize("coding", PACKED)
def test_damage_is_told(coding: Coding) -> None:
    data = bytearray(packed(coding, bytes(range(256)) * 100))
    data[:2] = b"\x00\x00"
    with pytest.raises(OffloadCorrupt, match="damaged"):
        unpacked(coding, bytes(data), limit=100_000)


@pytest.mark.parametrize("coding", CODINGS)
def test_more_than_the_limit_is_refused(coding: Coding | None) -> None:
    data = packed(coding, b"x" * 1001)
    assert unpacked(coding, data, limit=1001) == b"x" * 1001
    with pytest.raises(OffloadCorrupt, match="larger"):
        unpacked(coding, data, limit=1000)


@pytest.mark.parametrize("coding", PACKED)
def test_a_bomb_is_unpacked_no_further_than_its_limit(coding: Coding) -> None:
    data = packed(coding, *[bytes(1 << 20)] * 200)
    unpacking = decompressor(coding, limit=3 * PIECE)
    given_out: list[int] = []
    with pytest.raises(OffloadCorrupt):
        given_out.extend(map(len, unpacking.feed(data)))
    assert sum(given_out) <= 3 * PIECE


def test_pieces_of_gzip_are_small_whatever_is_fed() -> None:
    sizes = [len(piece) for piece in decompressor("gzip", limit=1 << 30).feed(packed("gzip", bytes(10 << 20)))]
    assert max(sizes) <= PIECE
    assert sum(sizes) == 10 << 20
    assert all(one == PIECE for one, _ in pairwise(sizes))
