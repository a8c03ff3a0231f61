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

NAMES = [operation.name for operation in OPERATIONS]


@pytest.fixture(scope="module")
def desk(postgres: EmbeddedPostgres, template: str) -> Iterator[Desk]:
    name = f"fuzz_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    with open_desk(postgres.dsn(name)) as opened:
        yield opened
    run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def api(desk: Desk) -> Any:
    document = requests.get(f"{desk.url}/api/v1/openapi.json", headers=desk.headers(), timeout=10).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=desk.url)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    return {one.definition.raw["operationId"]: one for one in operations}


def narrow(case: Any) -> None:
    """Take out what no schema can say: a cursor is one that a page gave, and a change is about something."""
    if case.query:
        case.query.pop("cursor", None)
    which = case.body.get("which") if isinstance(case.body, dict) else None
    if which is not None and isinstance(which, dict) and not any(which.values()):
        which["service"] = "billing"
    if isinstance(which, dict) and which.get("state") in ("delivered", "cancelled"):
        which["state"] = "failed"


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_as_the_document_says(name: str, mode: GenerationMode, api: Any, desk: Desk) -> None:
    @given(case=api[name].as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        narrow(case)
        # What was wrong with a case may be what was taken out or put right here, so it may be accepted.
        case.call_and_validate(headers=desk.headers(), timeout=10, excluded_checks=[negative_data_rejection])

    ask()
