"""Whatever is sent to the gateway and callbacks listeners: the answer is one that the published documents name."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import GenerationMode, Response
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sidecar.model.problems import CONTENT_TYPE
from sidecar.wso2.openapi import openapi_document
from sidecar.wso2.operations import api_operations
from sidecar.wso2.site import make_site
from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER
from tests.integration.fuzz.running import Running

CALLBACKS: Final = Path(__file__).parents[3] / "docs" / "callbacks.openapi.yaml"
CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NO_FAULTS: Final = {502, 503, 508}
"""All services refused; not stored, come again; a loop. Any other 5xx is a fault of ours."""
TIMES: Final = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
OPERATIONS: Final = (
    *("post_orders_order_id", "put_orders_order_id", "delete_orders_order_id"),
    *("post_stock", "post_all", "post_refused", "getJob", "getResult", "getKeys"),
)
pytestmark = pytest.mark.usefixtures("nothing_left")

each_mode = pytest.mark.parametrize("mode", list(GenerationMode))


def operations(document: Any, url: str) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    return {one.definition.raw["operationId"]: one for one in found}


def checked(case: Any, **more: Any) -> Response:
    """Send, and hold the answer to the document and to what no document can say."""
    with requests.Session() as session:
        answer: Response = case.call_and_validate(checks=CHECKS, session=session, timeout=60, **more)
    assert answer.status_code < 500 or answer.status_code in NO_FAULTS, answer.text
    assert str(answer.status_code) in case.operation.definition.raw["responses"], "only 'default' names it"
    if answer.status_code >= 400 and case.method != "HEAD":
        assert answer.headers["content-type"] == [CONTENT_TYPE]
        assert answer.headers["cache-control"] == ["no-store"]
    return answer


@pytest.fixture(scope="module")
def gateway_api(running: Running) -> dict[str, Any]:
    site = make_site(
        api="OrdersAPI",
        context="orders",
        version="1",
        base_path="v1",
        sidecar_url="http://sidecar:8080",
        backend_url="http://backend:9000",
    )
    document = openapi_document(site, api_operations(running.settings.routes, site.base_path))
    return operations(document, f"{running.ports.gateway_url}{site.base_path}")


@pytest.fixture(scope="module")
def jobs(running: Running) -> list[tuple[str, str]]:
    """Jobs that wait for a callback, and its addresses."""
    return [running.accepted("/v1/orders/1") for _ in range(12)]


@pytest.fixture(scope="module")
def callback_urls(running: Running) -> Any:
    """Where callers may want their results; none of it is looked up in the DNS."""
    hook = running.world.hook
    others = (
        *(f"{hook}?token=1&x=%20", hook.replace("http", "HTTP"), f"{running.ports.callbacks_url}/callbacks/1/2/3"),
        *("https://10.0.0.1/x", "http://[::ffff:10.0.0.1]:8243/", "http://169.254.169.254/latest", "http://127.1/x"),
        *(
            "http://user:pw@127.0.0.1/",
            "ftp://127.0.0.1/",
            "http://[::1",
            "http://127.0.0.1:99999/",
            "/x",
            "",
            "x" * 3000,
        ),
    )
    return st.just(hook) | st.sampled_from(others)


def test_the_document_of_the_callbacks_is_one() -> None:
    validate(yaml.safe_load(CALLBACKS.read_text("utf-8")))


@pytest.mark.parametrize(
    ("name", "mode"),
    # Where an operation has no parameter and no body, nothing can be wrong.
    [(name, mode) for name in OPERATIONS for mode in GenerationMode if name != "getKeys" or mode.is_positive],
)
def test_the_gateway_listener_answers_as_the_api_definition_says(
    name: str,
    mode: GenerationMode,
    gateway_api: dict[str, Any],
    jobs: list[tuple[str, str]],
    callback_urls: Any,
) -> None:
    seen: Counter[int] = Counter()
    operation = gateway_api[name].as_strategy(generation_mode=mode)

    @given(case=operation, hook=callback_urls, job=st.none() | st.sampled_from(jobs))
    @TIMES
    def ask(case: Any, hook: str, job: tuple[str, str] | None) -> None:
        if name in {"getJob", "getResult"} and job is not None:
            case.path_parameters["job_id"] = job[0]
        elif not name.startswith("get"):
            case.headers["callback-url"] = hook
            if job is None:  # else a wrong one would keep from us what follows it
                case.headers.pop("x-correlation-id", None)
        if "upload-url" in case.headers:
            case.headers["upload-url"] = hook
        who = {KEY_HEADER: GATEWAY_KEY, "x-api-application": "shop"}
        seen[checked(case, headers=who).status_code] += 1

    ask()
    assert set(gateway_api) == set(OPERATIONS)
    usual = {"post_refused": 502, "getResult": 404, "getJob": 404, "getKeys": 200}.get(name, 202)
    assert seen[usual if mode.is_positive or name.startswith("get") else 400], seen


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@each_mode
def test_the_callbacks_listener_answers_as_its_document_says(
    mode: GenerationMode, running: Running, jobs: list[tuple[str, str]], *, known: bool
) -> None:
    document = yaml.safe_load(CALLBACKS.read_text("utf-8"))
    api = operations(document, running.ports.callbacks_url)
    seen: Counter[int] = Counter()

    @given(case=api["postResult"].as_strategy(generation_mode=mode), job=st.sampled_from(jobs))
    @TIMES
    def ask(case: Any, job: tuple[str, str]) -> None:
        if known:
            *_, job_id, service, token = job[1].split("/")
            case.path_parameters.update(job_id=job_id, service=service, token=token)
        seen[checked(case).status_code] += 1

    ask()
    if not known:
        assert seen[404], seen  # without the address of a call, nothing else is looked at
        assert not seen[202], seen
    elif mode is GenerationMode.POSITIVE:
        assert seen[202], seen
    else:
        assert seen[400], seen  # most of what can be wrong is in the headers, once the address is right
