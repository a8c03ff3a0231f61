import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.trace import child_span, continue_trace, is_traceparent
from tests.unit.builders import TRACE

IDS = f"{'a' * 32}-{'b' * 16}"
GOOD = [TRACE, f"00-{IDS}-00", f"00-{IDS}-ff", f"01-{IDS}-01", f"cc-{IDS}-01-what-the-future-will-be"]
BAD = [
    "",
    "00",
    f"00-{IDS}",
    f"00-{IDS}-1",
    f"00-{IDS}-01-more",
    f"00-{IDS}-01-",
    f"01-{IDS}-01more",
    f"ff-{IDS}-01",
    f"0-{IDS}-01",
    f"00-{IDS.upper()}-01",
    f"00-{'0' * 32}-{'b' * 16}-01",
    f"00-{'a' * 32}-{'0' * 16}-01",
    f"00-{IDS}-0x",
    f" 00-{IDS}-01",
    f"00-{IDS}-01\n",
    f"00-{IDS}-01\nx",
    "\N{ARABIC-INDIC DIGIT ZERO}" * 2 + f"-{IDS}-01",
]


@pytest.mark.parametrize("sent", GOOD)
def test_the_trace_of_the_caller_goes_on_with_a_span_of_ours(sent: str) -> None:
    ours = continue_trace(sent)
    assert is_traceparent(sent)
    assert (ours[:3], ours[3:35], ours[53:]) == ("00-", sent[3:35], sent[53:55])
    assert ours[36:52] != sent[36:52]


@pytest.mark.parametrize("sent", BAD)
def test_a_malformed_trace_is_replaced_by_a_new_sampled_one(sent: str) -> None:
    ours = continue_trace(sent)
    assert not is_traceparent(sent)
    assert is_traceparent(ours)
    assert ours.endswith("-01")
    assert "a" * 32 not in ours


def test_without_a_trace_each_request_begins_its_own() -> None:
    assert not is_traceparent(None)
    assert continue_trace(None) != continue_trace(None)


@given(st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True).filter(is_traceparent))
def test_a_child_keeps_trace_and_flags(parent: str) -> None:
    child = child_span(parent)
    assert is_traceparent(child)
    assert (child[:36], child[52:]) == (parent[:36], parent[52:])
    assert child[36:52] != parent[36:52]
