"""Options become a site, routes become operations, and nothing hostile gets through."""

from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from sidecar.model.errors import ConfigError
from sidecar.settings.routes import RouteSettings
from sidecar.wso2.checks import RenderError
from sidecar.wso2.operations import api_operations, common_base
from sidecar.wso2.site import Site, make_site
from sidecar.wso2.targets import ROUTINGS, TARGETS, make_plan, render
from sidecar.wso2.templating import fill, parameter

SERVICE = {"name": "billing", "url": "http://billing:9000/x"}


def a_site(**over: Any) -> Site:
    given: dict[str, Any] = {
        "api": "OrdersAPI",
        "context": "orders",
        "version": "1.0.0",
        "base_path": "orders",
        "sidecar_url": "http://sidecar:8080",
        "backend_url": "http://backend:9000/api",
    }
    return make_site(**(given | over))


def a_route(path: str, **over: Any) -> RouteSettings:
    return RouteSettings(path=path, services=(SERVICE,), **over)


ROUTES = [a_route("/orders/{order_id}/report"), a_route("/orders/{order_id}/invoice", methods=["POST", "PUT"])]


def test_the_base_path_stands_in_the_url_of_the_sidecar_alone() -> None:
    site = a_site(sidecar_url="http://sidecar:8080/")
    assert (site.context, site.base_path, site.sidecar_url) == ("/orders", "/orders", "http://sidecar:8080/orders")
    assert site.backend_url == site.sandbox_backend_url == "http://backend:9000/api"


@pytest.mark.parametrize(
    ("over", "option"),
    [
        ({"api": 'a"b'}, "--api-name"),
        ({"api": "a/../b"}, "--api-name"),
        ({"version": "1.0.0/../x"}, "--api-version"),
        ({"version": "{{x}}"}, "--api-version"),
        ({"context": "/a b"}, "--context"),
        ({"context": "/"}, "--context"),
        ({"base_path": "/{x}"}, "--base-path"),
        ({"sidecar_url": 'http://x/"/><send/>'}, "--sidecar-url"),
        ({"sidecar_url": "http://x/{{7*7}}"}, "--sidecar-url"),
        ({"sidecar_url": "http://x/$(reboot)"}, "--sidecar-url"),
        ({"sidecar_url": "http://x/?a=b"}, "--sidecar-url"),
        ({"sidecar_url": "http://user:secret@x/"}, "--sidecar-url"),
        ({"backend_url": "backend:9000"}, "--backend-url"),
        ({"backend_url": "http://x/a&b"}, "--backend-url"),
        ({"sandbox_backend_url": "http://x/<a>"}, "--sandbox-backend-url"),
        ({"key": "env:A'B"}, "--key"),
        ({"key": "file:/etc/passwd"}, "--key"),
        ({"key_header": 'x"y'}, "--key-header"),
        ({"backend_timeout": 121}, "--backend-timeout"),
        ({"environment": "../x"}, "--environment"),
    ],
)
def test_an_option_that_could_break_what_it_is_put_into_is_refused_by_name(over: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        a_site(**over)
    assert any(line.startswith(f"{option}: ") for line in str(caught.value).splitlines())
    assert "secret" not in str(caught.value)


def test_all_wrong_options_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        a_site(api="", version="", key="x")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "--api-name",
        "--api-version",
        "--key",
    ]


@pytest.mark.parametrize(
    ("key", "xpath"),
    [
        ("env:SIDECAR_GATEWAY_KEY", "get-property('env','SIDECAR_GATEWAY_KEY')"),
        ("system:a.b", "get-property('system','a.b')"),
        ("vault:sidecar.key", "wso2:vault-lookup('sidecar.key')"),
    ],
)
def test_the_secret_is_read_where_the_gateway_runs_and_stands_in_no_file(key: str, xpath: str) -> None:
    files = render("sequence-backend", make_plan(a_site(key=key), ROUTES))
    for text in files.values():
        assert f'<property name="x-sidecar-key" scope="transport" expression="{xpath}"/>' in text


def test_names_that_yaml_reads_as_numbers_stay_names() -> None:
    files = render("api-project", make_plan(a_site(api="42", version="1.0", environment="7"), ROUTES))
    api = yaml.safe_load(files["42-1.0/api.yaml"])["data"]
    assert (api["name"], api["version"]) == ("42", "1.0")
    assert yaml.safe_load(files["params/7.yaml"])["environments"][0]["name"] == "7"
    route = yaml.safe_load(render("kubernetes", make_plan(a_site(api="Orders_API.v1"), ROUTES))["httproute.yaml"])
    assert route["metadata"]["name"] == "orders-api-v1-async"


def test_without_a_secret_no_header_is_set() -> None:
    for text in render("sequence-backend", make_plan(a_site(key="none"), ROUTES)).values():
        assert "x-sidecar-key" not in text


def test_the_jwt_of_a_client_is_removed_unless_the_gateway_makes_its_own() -> None:
    for signs in (True, False):
        text = render("classic", make_plan(a_site(backend_jwt=signs), ROUTES))["async-callback-router.xml"]
        assert ('name="X-JWT-Assertion" scope="transport" action="remove"' in text) is not signs


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_rendered_and_passes_its_checks(target: str, routing: str) -> None:
    assert render(target, make_plan(a_site(), ROUTES, routing=routing))


def test_values_are_escaped_even_where_no_option_lets_such_a_value_through() -> None:
    hostile = 'http://x/"/><send/>&amp;'
    text = fill("micro-integrator/endpoint.xml", name="E", url=hostile, milliseconds=1)
    assert "<send/>" not in text
    assert parameter('a&"<b>') == '"a&amp;&quot;&lt;b&gt;"'


def test_nothing_is_returned_when_a_file_is_not_fit_to_be_applied() -> None:
    bad = a_site()
    object.__setattr__(bad, "sidecar_url", "http://x/{{y}}")
    with pytest.raises(RenderError, match=r"sequence-production\.xml is not fit"):
        render("sequence-backend", make_plan(bad, ROUTES))


@pytest.mark.parametrize(
    ("paths", "base"),
    [
        (["/orders/{id}/report", "/orders/{id}/invoice"], "/orders"),
        (["/a/b/{id}", "/a/b/c"], "/a/b"),
        (["/a/b"], "/a"),
        (["/a/{x}/c", "/b/{x}/c"], ""),
        (["/{x}/c"], ""),
    ],
)
def test_what_all_routes_begin_with_is_the_base_path(paths: list[str], base: str) -> None:
    assert common_base([a_route(path) for path in paths]) == base


def test_operations_are_below_the_base_path_with_those_of_the_sidecar_at_the_end() -> None:
    routes = [*ROUTES, a_route("/ordersother/x"), a_route("/orders")]
    assert [(operation.verb, operation.target) for operation in api_operations(routes, "/orders")] == [
        ("POST", "/{order_id}/report"),
        ("POST", "/{order_id}/invoice"),
        ("PUT", "/{order_id}/invoice"),
        ("POST", "/"),
        ("GET", "/_jobs/{job_id}"),
        ("GET", "/_jobs/{job_id}/results/{service}"),
        ("GET", "/_keys"),
    ]


def test_paths_that_differ_in_names_of_variables_only_become_one() -> None:
    routes = [a_route("/o/{a}"), a_route("/o/{b}", methods=["PUT"])]
    assert [operation.target for operation in api_operations(routes, "/o")][:2] == ["/{a}", "/{a}"]


def test_a_base_path_without_routes_and_a_method_that_wso2_lacks_are_refused() -> None:
    with pytest.raises(ConfigError, match="--base-path: no route begins with /nothing"):
        api_operations(ROUTES, "/nothing")
    with pytest.raises(ConfigError, match="WSO2 has no operation for PURGE"):
        api_operations([a_route("/o/x", methods=["PURGE"])], "/o")


def test_streaming_needs_one_scheme_and_a_path_in_each_url() -> None:
    with pytest.raises(ConfigError, match="share one scheme"):
        render("api-project", make_plan(a_site(backend_url="https://b/x"), ROUTES, routing="policy-streaming"))
    with pytest.raises(ConfigError, match="--backend-url: with policy-streaming a URL needs a path"):
        render("api-project", make_plan(a_site(backend_url="http://b"), ROUTES, routing="policy-streaming"))


def test_the_definition_says_what_a_route_takes() -> None:
    routes = [
        a_route("/orders/{id}", methods=["PUT", "GET"], accepts=["application/json", "image/*"]),
        a_route("/orders/{id}/all", gather="all", deadline="15m"),
    ]
    definition = yaml.safe_load(render("openapi", make_plan(a_site(), routes))["openapi.yaml"])
    validate(definition)
    put, get = (definition["paths"]["/{id}"][verb] for verb in ("put", "get"))
    assert list(put["requestBody"]["content"]) == ["application/json", "image/*"]
    assert "requestBody" not in get
    everything = definition["paths"]["/{id}/all"]["post"]
    assert "15m" in everything["description"]
    message = everything["callbacks"]["result"]["{$request.header.callback-url}"]["post"]["requestBody"]["content"]
    assert message["application/json"]["schema"]["anyOf"][0] == {"$ref": "#/components/schemas/AggregateResult"}
