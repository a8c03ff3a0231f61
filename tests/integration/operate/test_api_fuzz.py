"""Whatever a client of the admin API sends: the answer is what the published document says, and never a fault."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.web.api.operations import OPERATIONS
from tests.conftest import execute, run
from tests.integration.operate.desk import Desk, open_desk

NOTHING_ASKED = {"clock", "overview"}
NAMES = [operation.name for operation in OPERATIONS]


@pytest.fixture(scope="module")
def desk(postgres: EmbeddedPostgres, template: str) -> Iterator[Desk]:
    name = f"fuzz_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    with open_desk(postgres.dsn(name)) as opened:
        yield opened
    run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


Api = dict[GenerationMode, dict[str, Any]]


@pytest.fixture(scope="module")
def api(desk: Desk) -> Api:
    """The operations by mode and name. What is wrong is never the token, which would be put right for every case."""
    document = requests.get(f"{desk.url}/api/v1/openapi.json", headers=desk.headers(), timeout=60).json()
    open_to_all = {name: value for name, value in document.items() if name != "security"}
    return {
        GenerationMode.POSITIVE: operations(document, desk.url),
        GenerationMode.NEGATIVE: operations(open_to_all, desk.url),
    }


def operations(document: Any, url: str) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    return {one.definition.raw["operationId"]: one for one in found}


def narrow(case: Any) -> bool:
    """Take out what no schema can say: a cursor is one that a page gave, and a change is about something.

    Returns:
        Whether anything was changed: then what was wrong with the case may be gone, and the case may be accepted.
    """
    changed = bool(case.query) and case.query.pop("cursor", None) is not None
    which = case.body.get("which") if isinstance(case.body, dict) else None
    if not isinstance(which, dict):
        return changed
    if not any(which.values()):
        which["service"] = "billing"
        changed = True
    if which.get("state") in ("delivered", "cancelled"):
        which["state"] = "failed"
        changed = True
    return changed


@pytest.mark.parametrize(
    ("name", "mode"),
    # Where an operation has no parameter and no body, nothing can be wrong.
    [(name, mode) for name in NAMES for mode in GenerationMode if name not in NOTHING_ASKED or mode.is_positive],
)
def test_every_answer_is_as_the_document_says(name: str, mode: GenerationMode, api: Api, desk: Desk) -> None:
    refused = 0

    @given(case=api[mode][name].as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        nonlocal refused
        excluded = [negative_data_rejection] if narrow(case) else []
        answer = case.call_and_validate(headers=desk.headers(), timeout=60, excluded_checks=excluded)
        refused += answer.status_code >= 400

    ask()
    assert refused or mode.is_positive
