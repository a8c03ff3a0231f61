"""The OpenAPI 3.1 document of the admin API, made from the operations and their models."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, TypeAdapter

from sidecar import __version__
from sidecar.model.problems import CONTENT_TYPE
from sidecar.web.api.operations import OPERATIONS, Operation
from sidecar.web.tokens import OPERATOR

PREFIX = "/api/v1"
Described = tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]

REFS = "#/components/schemas/{model}"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457); `code` is of a closed set.",
    "required": ["type", "title", "status", "detail", "code", "correlation_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "correlation_id": {"type": ["string", "null"]},
    },
}
_PATH = {
    "job_id": {
        "name": "job_id",
        "in": "path",
        "required": True,
        "description": "The x-job-id.",
        "schema": {"type": "string", "format": "uuid"},
    }
}
_WHEN = {
    400: "The query or the body is not usable.",
    401: "No token, or one that nobody has.",
    403: "The token's role may not do this.",
    404: "There is no such job.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    503: "The database is away, or the question takes it too long.",
}


def openapi_document() -> bytes:
    """Write the document as JSON."""
    return orjson.dumps(build_document(OPERATIONS), option=orjson.OPT_INDENT_2)


def build_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Describe the operations."""
    described: list[Described] = [(one.name, "serialization", TypeAdapter(one.answers)) for one in operations]
    described += [(one.name, "validation", TypeAdapter(one.body)) for one in operations if one.body is not None]
    refs, schemas = TypeAdapter.json_schemas(described, ref_template=REFS)
    paths: dict[str, Any] = {}
    for one in operations:
        methods = paths.setdefault(PREFIX + one.path, {})
        methods[one.method.lower()] = _operation(
            one, refs[one.name, "serialization"], refs.get((one.name, "validation"))
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API of the mediation sidecar",
            "version": __version__,
            "description": "Lists continue by an opaque `cursor`. Each change writes a record of the audit.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "One of admin.tokens."}},
            "schemas": {**schemas["$defs"], "Problem": PROBLEM},
        },
    }


def _operation(one: Operation, answer: Any, body: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Needs the role {one.role}." if one.role == OPERATOR else "Any role may ask.",
        "parameters": [*_path_parameters(one), *_query_parameters(one.query)],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": answer}}},
            **{str(status): _problem(_WHEN[status]) for status in _statuses(one)},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _statuses(one: Operation) -> Iterator[int]:
    yield from (400, 401)
    if one.role == OPERATOR or "full" in one.query.model_fields:
        yield 403
    if "{" in one.path:
        yield 404
    if one.body is not None:
        yield from (413, 415)
    yield 503


def _path_parameters(one: Operation) -> list[dict[str, Any]]:
    return [_PATH[part[1:-1]] for part in one.path.split("/") if part.startswith("{")]


def _query_parameters(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    schema = model.model_json_schema()
    for name, described in schema.get("properties", {}).items():
        found = {key: value for key, value in described.items() if key not in {"title", "description", "default"}}
        kinds = [kind for kind in found.pop("anyOf", [found]) if kind.get("type") != "null"]
        kind = dict(kinds[0])
        if "$ref" in kind:
            kind = {
                key: value for key, value in schema["$defs"][kind["$ref"].rpartition("/")[2]].items() if key != "title"
            }
        if described.get("default") is not None:
            kind["default"] = described["default"]
        yield {"name": name, "in": "query", "description": described.get("description", ""), "schema": kind}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
