"""What lies in wso2-config/ is what is rendered, whole, and in itself consistent. No engine is needed for this."""

import re
import tomllib
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from sidecar.dev.demo_config import demo_routes
from sidecar.settings.load import load_routes
from sidecar.wso2.checks import CALLING, STEERING, check_file, policy_troubles
from tests.wso2.example import BY_HAND, FOLDER, MARK, ROUTES, every_routing, list_of_files, rendered

FILES = rendered()
PROJECTS = every_routing()
VARIABLE = re.compile(r"\{\{(\w+)\}\}")

each_project = pytest.mark.parametrize("routing", PROJECTS)


def shipped() -> set[str]:
    return {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}


def read(path: str) -> Any:
    return yaml.safe_load(FILES[path])


def test_the_folder_holds_what_is_rendered_and_nothing_else() -> None:
    assert shipped() == {*FILES, *BY_HAND}
    for path, text in FILES.items():
        assert (FOLDER / path).read_text("utf-8") == text, f"{path}: run python -m tests.wso2.example"


def test_the_readme_names_every_file_and_no_other() -> None:
    listed = (FOLDER / "README.md").read_text("utf-8").partition(MARK)[2]
    assert listed == list_of_files()
    named = {name.rstrip("/") for name in re.findall(r"`([^`]+)`", listed) if not name.endswith("/")}
    assert named == shipped()


def test_the_example_serves_the_demo_routes() -> None:
    demo = demo_routes("http://services.internal:9000")["routes"]
    ours = load_routes(ROUTES)
    assert [(route.path, route.gather, [s.name for s in route.services]) for route in ours] == [
        (route["path"], route["gather"], [s["name"] for s in route["services"]]) for route in demo
    ]


@pytest.mark.parametrize("folder", ["policy/asyncCallbackRouter", "policy-streaming/asyncCallbackHost"])
def test_a_policy_is_named_as_its_folder_and_declares_the_parameters_that_it_uses(folder: str) -> None:
    name = Path(folder).name
    specification = read(f"{folder}/{name}.yaml")
    data = specification["data"]
    assert (specification["type"], data["name"], data["version"]) == ("operation_policy_specification", name, "v1")
    assert (data["applicableFlows"], data["supportedGateways"], data["supportedApiTypes"]) == (
        ["request"],
        ["Synapse"],
        ["HTTP"],
    )
    declared = {attribute["name"]: attribute for attribute in data["policyAttributes"]}
    assert set(declared) == set(VARIABLE.findall(FILES[f"{folder}/{name}.j2"]))
    for attribute in declared.values():
        assert (attribute["type"], attribute["required"]) == ("String", True)
        re.compile(attribute["validationRegex"])


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("http://sidecar.internal:8080/demo/orders", True),
        ("https://[2001:db8::1]:8443", True),
        ("http://sidecar.internal:8080/", False),
        ('http://x"/><send/><a b="', False),
        ("ftp://x/y", False),
        ("http://a b/c", False),
        ("http://{{x}}/c", False),
    ],
)
def test_the_publisher_is_told_which_urls_a_policy_takes(url: str, *, good: bool) -> None:
    for attribute in read("policy/asyncCallbackRouter/asyncCallbackRouter.yaml")["data"]["policyAttributes"]:
        assert bool(re.fullmatch(attribute["validationRegex"], url)) is good


@each_project
def test_operations_and_definition_of_a_project_agree(routing: str) -> None:
    files = PROJECTS[routing]
    api = yaml.safe_load(files["OrdersAPI-1.0.0/api.yaml"])["data"]
    definition = yaml.safe_load(files["OrdersAPI-1.0.0/Definitions/swagger.yaml"])
    operations = {(operation["target"], operation["verb"].lower()) for operation in api["operations"]}
    assert operations == {(path, verb) for path, item in definition["paths"].items() for verb in item}
    assert {("/_jobs/{job_id}", "get"), ("/_jobs/{job_id}/results/{service}", "get"), ("/_keys", "get")} <= operations
    assert (api["name"], api["version"]) == (definition["info"]["title"], definition["info"]["version"])


@each_project
def test_the_policy_of_every_operation_is_in_the_project_with_its_parameters(routing: str) -> None:
    files = PROJECTS[routing]
    api = yaml.safe_load(files["OrdersAPI-1.0.0/api.yaml"])["data"]
    if routing == "sequence-backend":
        named = {
            f"OrdersAPI-1.0.0/Sequence-Backend/{api['endpointConfig'][kind]}" for kind in ("production", "sandbox")
        }
        assert named == {path for path in files if "/Sequence-Backend/" in path}
        return
    for operation in api["operations"]:
        (policy,) = operation["operationPolicies"]["request"]
        base = f"OrdersAPI-1.0.0/Policies/{policy['policyName']}_{policy['policyVersion']}"
        attributes = yaml.safe_load(files[f"{base}.yaml"])["data"]["policyAttributes"]
        assert set(policy["parameters"]) == {attribute["name"] for attribute in attributes}
        assert set(policy["parameters"]) == set(VARIABLE.findall(files[f"{base}.j2"]))
        for attribute in attributes:
            assert re.fullmatch(attribute["validationRegex"], policy["parameters"][attribute["name"]])


def test_what_apictl_puts_into_the_project_is_set_for_both_environments() -> None:
    wanted = set(re.findall(r"\$\{(\w+)\}", FILES["api-project/OrdersAPI-1.0.0/Policies/asyncCallbackRouter_v1.j2"]))
    for environment in ("onprem", "aws"):
        lines = FILES[f"api-project/params/{environment}.env"].splitlines()
        assert {line.partition("=")[0] for line in lines if not line.startswith("#")} == wanted
        (parameters,) = read(f"api-project/params/{environment}.yaml")["environments"]
        assert (parameters["name"], parameters["configs"]["endpointType"]) == (environment, "dynamic")


@pytest.mark.parametrize("path", ["openapi/openapi.yaml", "api-project/OrdersAPI-1.0.0/Definitions/swagger.yaml"])
def test_the_definition_is_valid_openapi_with_callbacks_and_the_202(path: str) -> None:
    definition = read(path)
    validate(definition)
    for target, item in definition["paths"].items():
        if target.startswith("/_"):
            continue
        (operation,) = item.values()
        assert operation["responses"]["202"] == {"$ref": "#/components/responses/Accepted"}
        assert list(operation["callbacks"]["result"]) == ["{$request.header.callback-url}"]
        headers = {entry.get("$ref", "").rpartition("/")[2] for entry in operation["parameters"]}
        assert {"CallbackUrl", "CorrelationId", "IdempotencyKey"} <= headers
        assert ("UploadUrl" in headers) is target.endswith(("summary", "invoice", "credit", "archive"))
    problem = definition["components"]["responses"]["Problem"]["content"]
    assert list(problem) == ["application/problem+json"]
    assert definition["components"]["responses"]["Accepted"]["headers"]["x-job-id"]


def contract(heading: str) -> list[str]:
    """The first cells of the first table below a heading of the contract."""
    page = (FOLDER.parent / "docs" / "contract.md").read_text("utf-8")
    lines = iter(page.partition(f"\n{heading}\n")[2].splitlines())
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    return [line.split("|")[1] for line in table]


def test_the_definition_knows_every_answer_and_every_message_header_of_the_contract() -> None:
    definition = read("openapi/openapi.yaml")
    operation = definition["paths"]["/{order_id}/report"]["post"]
    statuses = set(re.findall(r"\b\d{3}\b", " ".join(contract("### The other answers"))))
    assert statuses
    assert statuses | {"202", "429"} == set(operation["responses"]) - {"default"}
    message = operation["callbacks"]["result"]["{$request.header.callback-url}"]["post"]
    known = {
        definition["components"]["parameters"][entry["$ref"].rpartition("/")[2]]["name"]
        for entry in message["parameters"]
    }
    assert known == set(re.findall(r"`([a-z-]+)`", " ".join(contract("## For webhooks"))))


def test_the_route_for_kubernetes_prefers_the_rule_with_the_header() -> None:
    route = read("kubernetes/httproute.yaml")
    jobs, keys, steered, own, plain = route["spec"]["rules"]
    (match,) = steered["matches"]
    assert match["headers"] == [{"type": "RegularExpression", "name": "callback-url", "value": ".+"}]
    assert match["path"] == plain["matches"][0]["path"] == {"type": "PathPrefix", "value": "/orders/1.0.0"}
    assert "headers" not in plain["matches"][0]
    assert jobs["matches"][0]["path"]["value"] == "/orders/1.0.0/_jobs"
    assert keys["matches"][0]["path"]["value"] == "/orders/1.0.0/_keys"
    assert jobs["backendRefs"] == keys["backendRefs"] == steered["backendRefs"] != plain["backendRefs"]
    assert [header["name"] for header in own["matches"][0]["headers"]] == ["callback-url", "x-async-sidecar"]
    assert own["backendRefs"] == plain["backendRefs"]
    for rule in (jobs, keys, steered):
        (modified,) = [entry for entry in rule["filters"] if entry["type"] == "RequestHeaderModifier"]
        removed = modified["requestHeaderModifier"]["remove"]
        assert {"x-api-application", "x-api-key-type", "x-jwt-assertion"} == set(removed)


def test_the_load_balancer_keeps_to_the_limits_of_its_conditions() -> None:
    resources = read("aws/alb-rule.yaml")["Resources"]
    for rule in resources.values():
        for condition in rule["Properties"]["Conditions"]:
            (values,) = [part["Values"] for part in condition.values() if isinstance(part, dict)]
            assert all(0 < len(value) <= 128 for value in values)
    for name, header in {"WithCallbackUrl": "callback-url", "OwnCalls": "x-async-sidecar"}.items():
        wanted = resources[name]["Properties"]["Conditions"][1]["HttpHeaderConfig"]
        assert wanted == {"HttpHeaderName": header, "Values": ["?*"]}
    order = [resources[name]["Properties"]["Priority"]["Ref"] for name in ("Jobs", "OwnCalls", "WithCallbackUrl")]
    assert order == ["FirstPriority", "SecondPriority", "ThirdPriority"]


def test_snippets_for_deployment_toml_set_what_was_decided() -> None:
    snippets = {name: tomllib.loads(FILES[f"deployment-toml/{name}.toml"]) for name in ("backend-jwt", "correlation")}
    assert snippets["backend-jwt"]["apim"]["jwt"]["encoding"] == "base64url"
    assert snippets["correlation"]["passthru_http"]["correlation_header_name"] == "x-correlation-id"
    cors = tomllib.loads(FILES["deployment-toml/cors.toml"])["apim"]["cors"]["allow_headers"]
    assert {"callback-url", "x-correlation-id", "idempotency-key"} <= set(cors)
    project = read("api-project/OrdersAPI-1.0.0/api.yaml")["data"]["corsConfiguration"]["accessControlAllowHeaders"]
    assert {"callback-url", "x-correlation-id", "idempotency-key"} <= set(project)


GOOD = '<filter source="boolean($trp:callback-url)" regex="true"><then><header name="To" value="http://s/x"/></then></filter>'


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (GOOD, None),
        ("<send/>", "mediators that do not belong here: send"),
        (GOOD.replace("<header", "<call/><header"), "mediators that do not belong here: call"),
        ('<?xml version="1.0"?>' + GOOD, "prolog"),
        (GOOD + GOOD, "no XML"),
        (GOOD.replace("http://s/x", "{{x}}"), "reads as a template"),
        (GOOD.replace("http://s/x", "{% x %}"), "reads as a template"),
        (GOOD.replace("http://s/x", "${X}"), "reads as a template"),
        (GOOD.replace('value="http://s/x"', "expression=\"concat('http://','s')\""), "whole body"),
        (GOOD.replace('source="boolean($trp:callback-url)"', 'source="//order"'), "whole body"),
        (GOOD.replace("<header", '<log level="full"/><header'), "log"),
        ("<sequence name='x'/>", "sequence"),
        (GOOD.replace("http://s/x", "a & b"), "no XML"),
    ],
)
def test_the_checks_find_what_wso2_would_drop_or_misread(policy: str, fault: str | None) -> None:
    troubles = "; ".join(policy_troubles(policy, STEERING))
    assert (fault in troubles) if fault else not troubles


def test_a_blocking_call_is_found_since_it_loses_the_body_of_a_202() -> None:
    assert not list(policy_troubles("<call/>", CALLING))
    assert "blocking" in "".join(policy_troubles('<call blocking="true"/>', CALLING))


@pytest.mark.parametrize("path", ["a/x.j2", "sequence-production.xml", "x.xml", "x.yaml", "x.toml"])
def test_no_file_is_written_that_cannot_be_read(path: str) -> None:
    with pytest.raises(Exception, match=f"{path} is not fit to be applied"):
        check_file(path, "<a: [&")
