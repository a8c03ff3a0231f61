"""Credentials at rest: nothing of them can be read without a key, and all of them come back with it."""

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.headers import decode_block, encode_block
from sidecar.model.sealing import MARK, SealError, Seals, day_of, derived_key, key_id, parse_key
from tests.unit.builders import JOB, make_call

OLD, NEW = b"o" * 32, b"n" * 32
NAMES = ("authorization", "cookie", "x-api-key")
BLOCK = b"Content-Type: text/csv\r\nAuthorization: Bearer hush\r\nX-Thing: 1\r\nX-API-Key: quiet"
CALLS = [make_call()]
OTHER = UUID(int=JOB.int + 1)


def seals(*keys: bytes) -> Seals:
    return Seals(keys or (NEW,), names=NAMES)


def test_credentials_cannot_be_read_and_come_back_as_they_were() -> None:
    closed = seals().close(JOB, BLOCK, CALLS)
    assert not re.search(rb"hush|quiet|[Aa]uthorization|[Kk]ey: ", closed)
    assert closed.startswith(MARK)
    assert closed.endswith(b"\r\nContent-Type: text/csv\r\nX-Thing: 1")
    assert sorted(decode_block(seals().open(JOB, closed))) == sorted(decode_block(BLOCK))


def test_a_block_without_credentials_is_left_alone() -> None:
    for block in (b"", b"content-type: text/csv", b"x-authorization: 1\r\nx-thing: authorization: no"):
        assert seals().close(JOB, block, CALLS) is block
        assert seals().open(JOB, block) is block


def test_credentials_alone_come_back_alone() -> None:
    block = b"authorization: one\r\nauthorization: two"
    closed = seals().close(JOB, block, CALLS)
    assert b"\r\n" not in closed
    assert seals().open(JOB, closed) == block


names = st.sampled_from([b"authorization", b"Cookie", b"x-api-key", b"x-thing", b"accept"])
values = st.binary(max_size=40).filter(lambda value: not re.search(rb"[\r\n]", value))


@given(st.lists(st.tuples(names, values), max_size=8))
def test_whatever_is_sealed_comes_back(pairs: list[tuple[bytes, bytes]]) -> None:
    block = encode_block(pairs)
    call = make_call(forward_headers=("cookie",))
    opened = seals().open(JOB, seals().close(JOB, block, [call]))
    assert sorted(opened.split(b"\r\n")) == sorted(block.split(b"\r\n"))


def test_what_no_service_gets_is_not_stored_at_all() -> None:
    block = b"cookie: c=1\r\nauthorization: hush\r\nx-thing: 1"
    stripped = make_call(strip_headers=("Authorization",))
    assert seals().close(JOB, block, [stripped]) == b"x-thing: 1"
    some = seals().open(JOB, seals().close(JOB, block, [stripped, make_call()]))
    assert some == b"x-thing: 1\r\nauthorization: hush"
    both = seals().open(JOB, seals().close(JOB, block, [make_call(forward_headers=("Cookie",))]))
    assert both == b"x-thing: 1\r\ncookie: c=1\r\nauthorization: hush"


def test_a_seal_opens_with_an_older_key_but_not_without_it() -> None:
    closed = seals(OLD).close(JOB, BLOCK, CALLS)
    assert b"hush" in seals(NEW, OLD).open(JOB, closed)
    with pytest.raises(SealError, match=key_id(OLD).hex()) as caught:
        seals(NEW).open(JOB, closed)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("place", [4, 16, -1])
def test_a_seal_that_was_changed_or_moved_to_another_job_does_not_open(place: int) -> None:
    closed = seals().close(JOB, BLOCK, CALLS)
    with pytest.raises(SealError, match="changed"):
        seals().open(OTHER, closed)
    line, _, rest = closed.partition(b"\r\n")
    sealed = bytearray(urlsafe_b64decode(line[len(MARK) :]))
    sealed[place] ^= 1
    with pytest.raises(SealError, match="changed"):
        seals().open(JOB, MARK + urlsafe_b64encode(sealed) + b"\r\n" + rest)


@pytest.mark.parametrize("garbage", [b"", b"x", b"!!!", urlsafe_b64encode(key_id(NEW)), urlsafe_b64encode(bytes(40))])
def test_garbage_does_not_open(garbage: bytes) -> None:
    with pytest.raises(SealError):
        seals().open(JOB, MARK + garbage)


def test_each_day_has_a_key_of_its_own_and_each_seal_its_own_nonce() -> None:
    here = seals()
    assert here.close(JOB, BLOCK, CALLS) != here.close(JOB, BLOCK, CALLS)
    tomorrow = UUID(int=JOB.int + (86_400_000 << 80))
    assert day_of(tomorrow) == day_of(JOB) + 1
    assert b"hush" in here.open(tomorrow, here.close(tomorrow, BLOCK, CALLS))


def test_keys_are_written_with_a_prefix_in_base64() -> None:
    assert parse_key("seal_" + b64encode(NEW).decode()) == NEW
    for wrong in ("", b64encode(NEW).decode(), "seal_", "seal_" + b64encode(b"short").decode(), "seal_not base64"):
        with pytest.raises(ValueError, match="seal_"):
            parse_key(wrong)
    with pytest.raises(ValueError, match="at least one key"):
        Seals([], names=NAMES)


def test_keys_are_made_of_other_secrets_one_of_each() -> None:
    assert len(derived_key(b"secret")) == 32
    assert derived_key(b"secret") == derived_key(b"secret") != derived_key(b"secret 2")
