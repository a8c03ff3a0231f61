from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.callback_token import CallbackTokens, TokenKind
from tests.unit.builders import JOB

OTHER_JOB = UUID(int=JOB.int + 1)
TOKENS = CallbackTokens([b"new secret", b"old secret"])


@pytest.mark.parametrize("kind", list(TokenKind))
def test_a_token_is_genuine_and_tells_its_kind(kind: TokenKind) -> None:
    assert TOKENS.check(JOB, "billing", TOKENS.make(JOB, "billing", kind)) is kind


def test_the_newest_secret_signs_and_older_ones_still_verify() -> None:
    before, after = CallbackTokens([b"old secret"]), CallbackTokens([b"newer", b"new secret"])
    assert TOKENS.check(JOB, "billing", before.make(JOB, "billing", TokenKind.PLAIN)) is TokenKind.PLAIN
    made = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    assert after.check(JOB, "billing", made) is TokenKind.PLAIN
    assert before.check(JOB, "billing", made) is None


def test_a_token_counts_for_its_job_and_service_only() -> None:
    token = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    assert TOKENS.check(OTHER_JOB, "billing", token) is None
    assert TOKENS.check(JOB, "stock", token) is None
    assert TOKENS.check(JOB, "Billing", token) is None


def test_the_kind_cannot_be_changed_to_escape_a_rule() -> None:
    token = TOKENS.make(JOB, "billing", TokenKind.RULED)
    assert TOKENS.check(JOB, "billing", TokenKind.PLAIN + token[1:]) is None


@given(at=st.integers(min_value=0, max_value=43), put=st.characters())
def test_no_changed_letter_is_overlooked(at: int, put: str) -> None:
    token = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    changed = token[:at] + put + token[at + 1 :]
    assert (TOKENS.check(JOB, "billing", changed) is not None) == (changed == token)


@given(token=st.text())
def test_any_text_is_answered_and_none_is_genuine(token: str) -> None:
    assert TOKENS.check(JOB, "billing", token) is None


@pytest.mark.parametrize("token", ["", "p", "x" * 44, "p" * 100_000, "pé", "\udcff"])
def test_malformed_tokens_are_not_genuine(token: str) -> None:
    assert TOKENS.check(JOB, "billing", token) is None


def test_a_service_that_is_no_text_is_answered_like_a_wrong_token() -> None:
    token = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    assert TOKENS.check(JOB, "billing\udcff", token) is None  # how a raw path holds the byte 0xff


def test_a_longer_or_shorter_token_is_not_genuine() -> None:
    token = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    for changed in (token[:-1], token + "=", token + "A", " " + token, token + "\n"):
        assert TOKENS.check(JOB, "billing", changed) is None


def test_a_token_needs_a_secret_and_stands_in_a_path_as_it_is() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CallbackTokens([])
    assert TOKENS.make(JOB, "billing", TokenKind.PLAIN).replace("-", "").replace("_", "").isalnum()
