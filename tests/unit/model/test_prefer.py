import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.prefer import Preference, apply_preferences


def applied(*values: str, wait: float = 2.0, max_wait: float = 5.0) -> Preference:
    return apply_preferences(values, wait=wait, max_wait=max_wait)


@pytest.mark.parametrize(
    ("values", "wait", "told"),
    [
        ([], 2.0, None),
        (["respond-async"], 2.0, "respond-async"),
        (["respond-async, wait=3"], 3.0, "respond-async, wait=3"),
        (["wait=3, respond-async"], 3.0, "respond-async, wait=3"),
        (["respond-async", "wait=3"], 3.0, "respond-async, wait=3"),
        (["Respond-Async;foo=bar, WAIT=3; x"], 3.0, "respond-async, wait=3"),
        (['respond-async="", wait="3"'], 3.0, "respond-async, wait=3"),
        (["wait = 3"], 3.0, "wait=3"),
        (["wait=0"], 0.0, "wait=0"),
        (["wait=999999999"], 5.0, "wait=5"),
        (["wait=3, wait=1"], 3.0, "wait=3"),
        (["wait=soon, wait=1"], 2.0, None),
        (["wait=-1"], 2.0, None),
        (["wait=1.5"], 2.0, None),
        (["wait=1e9"], 2.0, None),
        (["wait=9999999999"], 2.0, None),
        (["wait=٣"], 2.0, None),
        (["wait"], 2.0, None),
        (["wait=3 4"], 2.0, None),
        (["respond-async=yes"], 2.0, None),
        (["return=minimal"], 2.0, None),
        (['foo="a,respond-async,wait=1", wait=4'], 4.0, "wait=4"),
        (['foo="a\\",respond-async,", wait=4'], 4.0, "wait=4"),
        (['foo="respond-async, wait=1'], 2.0, None),
        ([",,;=, ,"], 2.0, None),
        ([""], 2.0, None),
    ],
)
def test_known_preferences_are_granted_and_malformed_ones_ignored(
    values: list[str], wait: float, told: str | None
) -> None:
    assert applied(*values) == Preference(wait, told)


def test_what_is_told_is_a_whole_number_of_seconds() -> None:
    assert applied("wait=9", max_wait=2.5) == Preference(2.5, "wait=2")
    assert applied("wait=900000000", max_wait=2e7).applied == "wait=20000000"


@given(st.text(alphabet=st.sampled_from('wait=respond-async",;\\ 0123'), max_size=60))
def test_no_text_gets_more_than_the_longest_wait(value: str) -> None:
    assert 0 <= applied(value).wait <= 5


def test_a_long_hostile_value_is_read_in_a_breath() -> None:
    for value in ('"' * 30_000, ",".join(["a"] * 10_000), " " * 30_000, 'a="\\' * 8_000):
        assert applied(value).wait == 2
