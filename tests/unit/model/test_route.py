import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.route import Completion, FailedWhen, ServiceCall
from tests.unit.builders import make_call

RULES = st.builds(
    FailedWhen,
    header=st.none() | st.tuples(st.text(), st.text()),
    statuses=st.lists(st.integers(min_value=200, max_value=599)).map(tuple),
    pointer=st.none() | st.text(),
    equals=st.none() | st.booleans() | st.integers(min_value=-(2**53), max_value=2**53) | st.text(),
)
CALLS = st.builds(
    make_call,
    completion=st.sampled_from(Completion),
    original_callback=st.booleans(),
    timeout=st.floats(min_value=0, max_value=1e6),
    retry=st.booleans(),
    repeat=st.booleans(),
    failed_when=st.none() | RULES,
    strip_headers=st.lists(st.text()).map(tuple),
    forward_headers=st.lists(st.text()).map(tuple),
)


@given(CALLS)
def test_the_ledger_gives_back_the_call_that_it_was_given(call: ServiceCall) -> None:
    assert ServiceCall.load(orjson.dumps(call.told())) == call


def test_fields_of_a_later_version_are_ignored_and_missing_ones_have_defaults() -> None:
    written = orjson.loads(orjson.dumps(make_call(failed_when=FailedWhen(pointer="/a")).told()))
    written |= {"colour": "blue"}
    written["failed_when"]["shade"] = "dark"
    for name in ("timeout", "retry", "repeat", "strip_headers", "forward_headers", "original_callback"):
        written.pop(name, None)
    assert ServiceCall.load(orjson.dumps(written)) == make_call(failed_when=FailedWhen(pointer="/a"))


def test_what_is_as_usual_is_not_written_but_how_it_completes_is() -> None:
    call = ServiceCall(service="a", service_key="http://a:80", url="http://a/x")
    assert orjson.loads(orjson.dumps(call.told())).keys() == {"service", "service_key", "url", "completion"}


@pytest.mark.parametrize(
    ("url", "written"),
    [("http://a:80/x/y?z=/1", False), ("http://a:80", False), ("https://[::1]:9443/s", True), ("http://a/x", True)],
)
def test_the_key_of_a_service_is_written_only_where_its_address_does_not_begin_with_it(
    url: str, *, written: bool
) -> None:
    call = ServiceCall(service="a", service_key="http://a:80", url=url)
    assert ("service_key" in call.told()) is written
    assert ServiceCall.load(orjson.dumps(call.told())) == call


@pytest.mark.parametrize("completion", list(Completion))
def test_the_completion_is_read_as_what_it_is(completion: Completion) -> None:
    assert ServiceCall.load(orjson.dumps(make_call(completion=completion).told())).completion is completion
