"""How a service's URL is put together from its template, the path and the caller's query."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.errors import ProblemError
from sidecar.settings.url_template import parse_path, parse_url
from tests.unit.settings.builders import make_route, make_service, make_table


def rendered(url: str, target: str, path: str = "/x/{a}") -> str:
    table = make_table(make_route(path, services=[make_service(url=url)]))
    return table.match("POST", target).calls[0].url


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("http://s/r/{a}", "/x/1", "http://s/r/1"),
        ("http://s", "/x/1", "http://s/"),
        ("http://s?f=1", "/x/1", "http://s/?f=1"),
        ("http://s/r?", "/x/1", "http://s/r"),
        ("http://s/{a}/r/{a}", "/x/1", "http://s/1/r/1"),
        ("http://s/r?id={a}", "/x/1", "http://s/r?id=1"),
        ("http://s/r?id=p-{a}-s&g=2", "/x/1?h=3", "http://s/r?id=p-1-s&g=2&h=3"),
        ("http://s/r", "/x/1?q=a%20b&q=c", "http://s/r?q=a%20b&q=c"),
        ("http://s/r", "/x/1?", "http://s/r"),
        ("http://s/r", "/x/1?a?b/c", "http://s/r?a?b/c"),
        ("http://s/r", '/x/1?f={"a":[1]}', 'http://s/r?f={"a":[1]}'),
    ],
)
def test_variables_and_query_are_put_in_place(url: str, target: str, expected: str) -> None:
    assert rendered(url, target) == expected


def test_variables_go_by_name_not_by_place() -> None:
    assert rendered("http://s/{b}/{a}", "/x/1/2", "/x/{a}/{b}") == "http://s/2/1"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("detail=none", ""),
        ("a=1&detail=none&b=2", "&a=1&b=2"),
        ("det%61il=none", ""),
        ("detail", ""),
        ("Detail=1", "&Detail=1"),
        ("details=1", "&details=1"),
        ("a=1;detail=none", ""),
        ("two%20words=1&two+words=2", ""),
    ],
)
def test_a_caller_cannot_override_a_parameter_that_is_fixed(query: str, kept: str) -> None:
    url = "http://s/r?detail=full&two+words=0"
    assert rendered(url, f"/x/1?{query}") == url + kept


def test_a_variable_in_the_query_cannot_bring_parameters_along() -> None:
    assert rendered("http://s/r?id={a}&f=1", "/x/1&f=2;f=3+4") == "http://s/r?id=1%26f%3D2%3Bf%3D3%2B4&f=1"


@given(st.text(min_size=1, max_size=10))
def test_a_variable_in_the_query_arrives_as_it_was_meant(value: str) -> None:
    try:
        url = rendered("http://s/r?id={a}&f=1", f"/x/{quote(value, safe='')}?f=2")
    except ProblemError:
        return  # dots, slashes and control characters
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("id", value), ("f", "1")]


@pytest.mark.parametrize("query", ["a=%", "a=%4", "a=%zz", "a=ü", "a b", "a#b", "a\r\nb", "a\x00", "a\n"])
def test_a_query_that_is_no_query_is_400_and_not_repeated(query: str) -> None:
    with pytest.raises(ProblemError) as caught:
        rendered("http://s/r", f"/x/1?{query}")
    problem = caught.value.problem
    assert (problem.status, problem.code) == (400, "query_invalid")
    assert query not in problem.detail


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("billing:9000/r", "absolute http"),
        ("ftp://s/r", "absolute http"),
        ("http:///r", "absolute http"),
        ("http://s:99999/r", "host and port"),
        ("http://s:0/r", "absolute http"),
        ("http://u:p@s/r", "user name or password"),
        ("http://s/r#f", "fragment"),
        ("http://s/ü", "percent-encode"),
        ("http://s/a b", "percent-encode"),
        ("http://{a}/r", "variable in its host"),
        ("http://s:{a}/r", "host and port"),
        ("http://s/p-{a}", "whole segment"),
        ("http://s/{a}{b}", "whole segment"),
        ("http://s/{a", "whole segment"),
        ("http://s/{1}", "whole segment"),
        ("http://s/../r", "dot segment"),
        ("http://s/%2e%2e/r", "dot segment"),
        ("http://s/%zz", "bad escape"),
        ("http://s/r?{a}=1", "braces"),
        ("http://s/r?f={", "braces"),
    ],
)
def test_a_service_url_that_cannot_work_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_url(url)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("orders", "begin with a slash"),
        ("/_jobs", "own resources"),
        ("/_", "own resources"),
        ("/a?b=1", "path only"),
        ("/a#b", "path only"),
        ("/a//b", "empty segment"),
        ("/a/", "empty segment"),
        ("/a/../b", "dot segment"),
        ("/a/%2e", "dot segment"),
        ("/a%2Fb", "encoded slash"),
        ("/a%00", "control character"),
        ("/a%zz", "bad escape"),
        ("/a/{x", "whole segment"),
        ("/a/{x}.pdf", "whole segment"),
        ("/a/{}", "whole segment"),
        ("/a/{x-y}", "whole segment"),
        ("/{x}/{x}", "twice"),
    ],
)
def test_a_route_path_that_no_request_could_take_is_refused_with_the_reason(path: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_path(path)
