"""Which bodies are compressed before they are stored."""

import random

import pytest
import zstandard

from sidecar.ledger.packing import LEAST, MOST, Packing, unpack
from sidecar.ledger.sqlfiles import load_queries

LINE = b'{"sku":"4711-0815","quantity":12,"price":"19.90"},'


@pytest.mark.parametrize("size", [LEAST, 1024, MOST])
def test_a_small_body_that_shrinks_is_stored_compressed_and_read_as_it_was(size: int) -> None:
    body = (LINE * 50)[:size]
    cell, packed = Packing().pack(body)
    assert packed
    assert len(cell) < size / 2
    assert unpack(cell, packed) == body


@pytest.mark.parametrize("size", [0, 1, LEAST - 1, MOST + 1, 100_000])
def test_what_is_tiny_or_what_postgres_compresses_itself_stays(size: int) -> None:
    body = (LINE * 2100)[:size]
    assert Packing().pack(body) == (body, False)


def test_what_does_not_shrink_stays() -> None:
    body = random.Random(1).randbytes(1024)
    assert Packing().pack(body) == (body, False)


def test_a_body_that_is_compressed_already_is_not_unpacked_twice() -> None:
    body = zstandard.compress(random.Random(2).randbytes(700))
    assert unpack(*Packing().pack(body)) == body


def test_one_compressor_serves_many_bodies() -> None:
    packing = Packing()
    bodies = [(b"%d" % number + LINE * 20)[:1000] for number in range(50)]
    assert [unpack(*packing.pack(body)) for body in bodies] == bodies


def test_rows_from_before_say_nothing_and_are_read_as_they_are() -> None:
    assert unpack(b"(\xb5/\xfd" + b"x" * 300, None) == b"(\xb5/\xfd" + b"x" * 300


@pytest.mark.parametrize("name", ["claim_invocations", "claim_deliveries", "claim_retries", "unmoved"])
def test_what_bounds_bodies_counts_a_compressed_one_as_the_most_that_it_can_be(name: str) -> None:
    assert f"packed::int * {MOST})" in getattr(load_queries(), name)


def test_damage_is_an_error_and_never_a_wrong_body() -> None:
    cell, packed = Packing().pack(LINE * 20)
    with pytest.raises(zstandard.ZstdError):
        unpack(cell[:-5], packed)
