"""Routes that contradict themselves or each other."""

from typing import Any

import pytest

from sidecar.model.errors import ConfigError
from tests.unit.settings.builders import make_data, make_route, make_service, make_settings, make_table


def troubles_of(*routes: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        make_table(*routes)
    return str(caught.value).splitlines()


def test_two_routes_for_the_same_requests_are_a_conflict_that_names_both() -> None:
    (line,) = troubles_of(
        make_route("/a/{x}", methods=["GET", "POST"]), make_route("/b"), make_route("/a/{y}", methods=["POST"])
    )
    assert line.startswith("routes[2].path: /a/{y} takes the same POST requests as /a/{x};")


def test_paths_that_differ_only_in_their_encoding_are_a_conflict() -> None:
    (line,) = troubles_of(make_route("/b%C3%BCro"), make_route("/büro"))
    assert "takes the same POST requests" in line


def test_the_same_path_with_other_methods_is_no_conflict() -> None:
    table = make_table(make_route("/a", methods=["GET"]), make_route("/a", methods=["POST", "POST"]))
    assert [route.methods for route in table.routes] == [("GET",), ("POST", "POST")]


@pytest.mark.parametrize(
    ("route", "line"),
    [
        (
            make_route(services=[make_service(), make_service()]),
            "routes[0].services[1].name: billing is there twice in this route; give each service its own name",
        ),
        (make_route(services=[make_service(name="all")]), "routes[0].services[0].name: all stands for the aggregate"),
        (
            make_route("/x/{a}", services=[make_service(url="http://s/{b}/{a}")]),
            "routes[0].services[0].url: b is no variable of the path; its variables are: a",
        ),
        (
            make_route(services=[make_service(sandbox_url="http://s/r?i={b}")]),
            "routes[0].services[0].sandbox_url: b is no variable of the path; its variables are: none",
        ),
        (
            make_route(services=[make_service(callback_url="original")]),
            "routes[0].services[0].callback_url: original means",
        ),
        (
            make_route(gather="all", services=[make_service(completion="none")]),
            "routes[0].services[0].completion: none brings no result",
        ),
        (
            make_route(gather="all", services=[make_service(completion="none", callback_url="original")]),
            "routes[0].services[0].completion: none brings no result",
        ),
        (
            make_route(services=[make_service(failed_when={"status": [409]})]),
            "routes[0].services[0].failed_when.status: only a response has a status",
        ),
        (
            make_route(services=[make_service(strip_headers=["Cookie"], forward_headers=["cookie"])]),
            "routes[0].services[0].forward_headers: cookie is in strip_headers too",
        ),
        (make_route(path="/orders/_jobs/{id}"), "routes[0].path: /orders/_jobs/{id} has a segment _jobs"),
    ],
)
def test_a_route_that_contradicts_itself_is_named_with_the_remedy(route: dict[str, Any], line: str) -> None:
    (found,) = troubles_of(route)
    assert found.startswith(line)


def test_a_variable_that_is_not_used_is_fine() -> None:
    assert make_table(make_route("/x/{a}")).match("POST", "/x/1").calls[0].url == "http://billing:9000/reports"


def test_all_troubles_of_all_routes_are_told_at_once() -> None:
    found = troubles_of(
        make_route(services=[make_service(name="all"), make_service(callback_url="original")]), make_route()
    )
    assert [line.partition(": ")[0] for line in found] == [
        "routes[0].services[0].name",
        "routes[0].services[1].callback_url",
        "routes[1].path",
    ]


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ({"name": "Billing"}, "name: does not have the right form"),
        ({"name": "-x"}, "name: does not have the right form"),
        ({"completion": "maybe"}, "completion: must be one of 'callback', 'response' or 'none'"),
        ({"forward_headers": ["Connection"]}, "forward_headers[0]: connection belongs to one connection"),
        ({"strip_headers": ["a b"]}, "strip_headers[0]: 'a b' is not a header name"),
        ({"failed_when": {}}, "failed_when: tests nothing; give header, status or pointer"),
        ({"failed_when": {"equals": 1, "status": [409]}}, "failed_when: has equals without pointer"),
        ({"failed_when": {"pointer": "a"}}, "failed_when.pointer: does not have the right form"),
        ({"failed_when": {"header": {"a": "1", "b": "2"}}}, "failed_when.header: has too many entries"),
        ({"ack_timeout": "10 parsecs"}, "ack_timeout: '10 parsecs' is not a duration"),
        ({"urls": "x"}, "urls: is not a setting; did you mean url?"),
    ],
)
def test_a_wrong_setting_of_a_service_is_named_by_its_place(over: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings(routes=[make_route(services=[make_service(**over)])])
    assert str(caught.value).startswith(f"routes[0].services[0].{where}")


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ({"deadline": "8d"}, "deadline: 8d is out of range; choose between 1ms and 7d"),
        ({"methods": ["P OST"]}, "methods[0]: 'P OST' is not a method"),
        ({"methods": ["CONNECT"]}, "methods[0]: 'CONNECT' is not a method"),
        ({"methods": []}, "methods: has too few entries"),
        ({"accepts": ["json"]}, "accepts[0]: 'json' is not a media type"),
        ({"services": []}, "services: has too few entries; give at least 1"),
        ({"path": "/_jobs"}, "path: begins with /_"),
    ],
)
def test_a_wrong_setting_of_a_route_is_named_by_its_place(over: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings(routes=[{**make_route(), **over}])
    assert str(caught.value).startswith(f"routes[0].{where}")


def test_a_table_without_routes_is_refused() -> None:
    data = make_data()
    with pytest.raises(ConfigError, match="routes: has too few entries"):
        make_settings(**{**data, "routes": []})
