"""Which route a request takes."""

from string import ascii_letters, digits

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.model.route import Completion, FailedWhen, Gather, ServiceCall
from sidecar.settings.route_table import RouteTable
from tests.unit.settings.builders import make_route, make_service, make_table

UNRESERVED = ascii_letters + digits + "-._~"


def problem_of(table: RouteTable, method: str, target: str, *, sandbox: bool = False) -> Problem:
    with pytest.raises(ProblemError) as caught:
        table.match(method, target, sandbox=sandbox)
    return caught.value.problem


def urls(table: RouteTable, target: str, *, method: str = "POST", sandbox: bool = False) -> list[str]:
    return [call.url for call in table.match(method, target, sandbox=sandbox).calls]


def echo_table(url: str = "http://svc:1/r/{a}", path: str = "/x/{a}") -> RouteTable:
    return make_table(make_route(path, services=[make_service(url=url)]))


def test_a_match_tells_the_route_and_one_rendered_call_for_each_service() -> None:
    table = make_table(
        make_route(
            "/orders/{order_id}",
            gather="all",
            deadline="15m",
            accepts=["Application/JSON"],
            max_body="1MiB",
            services=[
                make_service(name="billing", url="HTTP://Billing/r/{order_id}", ack_timeout="3s", retry="none"),
                make_service(
                    name="stock",
                    url="https://[::1]:9443/s",
                    completion="response",
                    timeout="10m",
                    repeat="never",
                    failed_when={"header": {"X-Out": "bad"}, "status": [409], "pointer": "/a", "equals": 1},
                    strip_headers=["Authorization"],
                    forward_headers=["Cookie"],
                ),
            ],
        )
    )
    match = table.match("POST", "/orders/42")
    route = match.route
    assert (route.path, route.gather, route.deadline) == ("/orders/{order_id}", Gather.ALL, 900.0)
    assert (route.accepts, route.max_body, route.methods) == (("application/json",), 1024**2, ("POST",))
    assert match.calls == (
        ServiceCall(
            service="billing",
            service_key="http://billing:80",
            url="http://Billing/r/42",
            timeout=3.0,
            retry=False,
        ),
        ServiceCall(
            service="stock",
            service_key="https://[::1]:9443",
            url="https://[::1]:9443/s",
            completion=Completion.RESPONSE,
            timeout=600.0,
            repeat=False,
            failed_when=FailedWhen(header=("x-out", "bad"), statuses=(409,), pointer="/a", equals=1),
            strip_headers=("authorization",),
            forward_headers=("cookie",),
        ),
    )
    assert ServiceCall.load(orjson.dumps(match.calls[1].told())) == match.calls[1]


def test_the_original_callback_url_is_passed_on_where_the_route_says_so() -> None:
    table = make_table(make_route(services=[make_service(completion="none", callback_url="original")]))
    assert table.match("POST", "/orders").calls[0].original_callback


def test_methods_default_to_post_and_others_get_405_with_allow() -> None:
    problem = problem_of(make_table(make_route()), "GET", "/orders")
    assert (problem.status, problem.code, problem.headers) == (405, "method_not_allowed", {"allow": "POST"})


def test_allow_names_the_methods_of_all_routes_that_fit_the_path() -> None:
    table = make_table(make_route("/a/{x}", methods=["PUT", "get"]), make_route("/a/b", methods=["POST"]))
    assert problem_of(table, "DELETE", "/a/b").headers == {"allow": "GET, POST, PUT"}


def test_an_unknown_path_is_404() -> None:
    table = make_table(make_route(), make_route("/x/{a}/c"))
    for path in ("/order", "/orders/1", "/x/1", "/x/1/d", "/x/1/c/e", "/"):
        assert (problem_of(table, "POST", path).status, problem_of(table, "POST", path).code) == (404, "route_unknown")


def test_a_literal_segment_beats_a_variable_one_from_left_to_right() -> None:
    table = make_table(
        make_route("/{a}/b/{c}"), make_route("/a/{b}/{c}"), make_route("/a/b/c"), make_route("/{a}/{b}/{c}")
    )
    found = {path: table.match("POST", path).route.path for path in ("/a/b/c", "/a/b/x", "/x/b/c", "/x/y/z", "/a/y/z")}
    assert found == {
        "/a/b/c": "/a/b/c",
        "/a/b/x": "/a/{b}/{c}",
        "/x/b/c": "/{a}/b/{c}",
        "/x/y/z": "/{a}/{b}/{c}",
        "/a/y/z": "/a/{b}/{c}",
    }


def test_a_literal_that_leads_nowhere_leaves_the_request_to_the_variable() -> None:
    table = make_table(make_route("/a/{x}/c"), make_route("/{y}/b/d"))
    assert table.match("POST", "/a/b/d").route.path == "/{y}/b/d"


def test_a_route_without_the_method_leaves_the_request_to_the_next() -> None:
    table = make_table(make_route("/a/b", methods=["GET"]), make_route("/a/{x}", methods=["POST"]))
    assert table.match("POST", "/a/b").route.path == "/a/{x}"
    assert table.match("GET", "/a/b").route.path == "/a/b"


def test_the_root_can_be_a_route() -> None:
    assert make_table(make_route("/")).match("POST", "/?a=1").route.path == "/"


def test_equivalent_escapes_find_the_same_route_and_variables_go_on_as_sent() -> None:
    table = make_table(make_route("/büro/{a}/x", services=[make_service(url="http://svc:1/r/{a}")]))
    assert urls(table, "/b%c3%bcro/%c3%bc%41/%78") == ["http://svc:1/r/%c3%bc%41"]


@pytest.mark.parametrize(
    "path",
    [
        *("", "orders", "*", "//", "/x//y", "/x/", "/x/;", "/x/;a", "/x/%3ba"),
        *("/x/.", "/x/..", "/./x", "/x/%2e", "/x/%2E%2e", "/x/.%2e", "/x/..;a", "/x/%2e%2e%3Bb", "/x/.;"),
        *("/x/a%2Fb", "/x/a%2fb", "/x/a%5cb", "/x/a\\b", "/x/%00", "/x/a%0d%0a", "/x/%7f", "/x/%", "/x/%4", "/x/%zz"),
        *("/x/ü", "/x/a b", "/x/a\r\nb", "/x/a#b", "/x/{a}", '/x/"', "/x/a\n"),
        *("sidecar:8080", "ftp://sidecar/x/a", "http:///x/a"),
    ],
)
def test_a_dangerous_path_is_400_and_not_repeated_in_the_answer(path: str) -> None:
    problem = problem_of(echo_table(), "POST", path)
    assert (problem.status, problem.code) == (400, "path_invalid")
    assert len(path) < 3 or path not in problem.detail


@pytest.mark.parametrize(
    "segment", ["...", "..a", ".hidden", "a.b", "a;b=c", "%252e%252e", "!$&'()*+,=:@", "%FF", "_x", "-", "~"]
)
def test_an_unusual_but_harmless_segment_goes_on_as_sent(segment: str) -> None:
    assert urls(echo_table(), f"/x/{segment}") == [f"http://svc:1/r/{segment}"]


def test_the_absolute_form_is_taken_without_its_host() -> None:
    assert urls(echo_table(), "http://elsewhere:80/x/1?q=2") == ["http://svc:1/r/1?q=2"]
    assert urls(make_table(make_route("/")), "HTTP://elsewhere") == ["http://billing:9000/reports"]


@given(st.text(alphabet=UNRESERVED + "!$&'()*+,;=:@%/.", max_size=12))
def test_whatever_the_variable_is_the_service_sees_one_segment_below_its_own_path(text: str) -> None:
    try:
        (url,) = urls(echo_table(), f"/x/{text}")
    except ProblemError as error:
        assert error.problem.code in {"path_invalid", "route_unknown"}  # noqa: PT017 - most texts are refused
        return
    assert url == f"http://svc:1/r/{text}"
    assert "/" not in text
    assert text.partition(";")[0] not in {"", ".", ".."}


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_target_is_matched_or_a_problem_and_nothing_else(path: str, query: str) -> None:
    try:
        echo_table().match("POST", f"/{path}?{query}")
    except ProblemError as error:
        assert error.problem.status in {400, 404}  # noqa: PT017 - either is fine


SEGMENT = st.sampled_from(["a", "b", "{x}"])
SHAPE = st.lists(SEGMENT, min_size=1, max_size=4)


def path_of(shape: list[str]) -> str:
    return "/" + "/".join(part if part != "{x}" else f"{{v{index}}}" for index, part in enumerate(shape))


def naive_match(paths: list[str], segments: list[str]) -> str | None:
    """Try every route, and take the one whose segments are literal the earliest."""
    fits = []
    for path in paths:
        parts = path[1:].split("/")
        variable = [part.startswith("{") for part in parts]
        if len(parts) == len(segments) and all(v or p == s for p, v, s in zip(parts, variable, segments, strict=True)):
            fits.append((variable, path))
    return min(fits)[1] if fits else None


@given(
    st.lists(SHAPE.map(path_of), min_size=1, max_size=8, unique=True),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
)
def test_the_table_finds_what_trying_every_route_finds(paths: list[str], segments: list[str]) -> None:
    table = make_table(*(make_route(path) for path in paths))
    expected = naive_match(paths, segments)
    target = "/" + "/".join(segments)
    if expected is None:
        assert problem_of(table, "POST", target).code == "route_unknown"
    else:
        assert table.match("POST", target).route.path == expected


def test_a_sandbox_key_goes_to_the_sandbox_urls() -> None:
    services = [make_service(url="http://live:1/{a}", sandbox_url="http://sandbox:2/{a}")]
    table = make_table(make_route("/x/{a}", services=services))
    (call,) = table.match("POST", "/x/1?q=2", sandbox=True).calls
    assert (call.url, call.service_key) == ("http://sandbox:2/1?q=2", "http://sandbox:2")


@pytest.mark.parametrize("query", ["", "?q=1"])
def test_a_sandbox_key_is_403_unless_every_service_has_a_sandbox(query: str) -> None:
    services = [make_service(sandbox_url="http://sandbox:2"), make_service(name="stock")]
    problem = problem_of(make_table(make_route(services=services)), "POST", f"/orders{query}", sandbox=True)
    assert (problem.status, problem.code) == (403, "sandbox_unavailable")
