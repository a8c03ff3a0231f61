"""Answer the admin API: find the operation, see who asks, read what they ask, let it act, render."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from sidecar.model.audit import Actor
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.operate.cursor import CursorError
from sidecar.operate.ports import Operator
from sidecar.web.api.document import PREFIX, openapi_document
from sidecar.web.api.operations import FORBIDDEN, OPERATIONS, Call, Operation
from sidecar.web.body import BodyReader
from sidecar.web.tokens import OPERATOR

MAX_BODY = 64 * 1024
MAX_PENDING = 16
"""Requests that may wait for the few connections of operators at once."""

DOCUMENT = PREFIX + "/openapi.json"
AWAY = Problem(
    503,
    "ledger_unavailable",
    "The database is away, or this takes it too long: then ask for less, such as fewer days.",
    {"retry-after": "5"},
)
_BUSY = Problem(503, "overloaded", "Too many operators ask at once; repeat in a second.", {"retry-after": "1"})
_NOT_FOUND = Problem(404, "not_found", f"There is nothing at this address; {DOCUMENT} tells what there is.")
_NOT_JSON = Problem(415, "media_type_unsupported", "Send application/json.")
_UNREADABLE = Problem(400, "query_invalid", "The query is not percent-encoded UTF-8, or has a name twice.")
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ApiHandler:
    """Answers whoever was recognized.

    Args:
        operator: Makes the operator that acts in somebody's name.
        idle_timeout: Longest pause in a body, in seconds.
    """

    def __init__(self, operator: Callable[[Actor], Operator], *, idle_timeout: float) -> None:
        self._operator = operator
        self._bodies = BodyReader(limit=MAX_BODY, budget=MAX_BODY * MAX_PENDING, idle_timeout=idle_timeout)
        self._pending = 0

    async def answer(self, request: web.BaseRequest, actor: Actor) -> web.StreamResponse:
        """Answer one request below ``/api/v1``.

        Raises:
            ProblemError: What is wrong with it, or that nobody can answer now.
        """
        if request.path == DOCUMENT:
            _check_method(request, ("GET",))
            return web.Response(body=_document(), headers=_HEADERS)
        if self._pending >= MAX_PENDING:
            raise ProblemError(_BUSY)
        self._pending += 1
        try:
            return await self._answer(request, actor)
        except CursorError as error:
            raise ProblemError(Problem(400, "query_invalid", f"cursor: {error}")) from error
        except LedgerRejected as error:
            raise ProblemError(Problem(400, "query_invalid", "A value cannot be looked for.")) from error
        except LedgerUnavailable as error:
            raise ProblemError(AWAY) from error
        finally:
            self._pending -= 1

    async def _answer(self, request: web.BaseRequest, actor: Actor) -> web.StreamResponse:
        operation, path = find(request)
        if operation.role == OPERATOR and actor.role != OPERATOR:
            raise ProblemError(FORBIDDEN)
        query = read(operation.query, read_query(request.query_string), code="query_invalid")
        body = None if operation.body is None else await self._body(request, operation.body)
        found = await operation.act(Call(self._operator(actor), actor.role, path, query, body))
        return web.Response(body=_adapter(operation.answers).dump_json(found), headers=_HEADERS)

    async def _body(self, request: web.BaseRequest, model: type[BaseModel]) -> Any:
        if request.content_type != "application/json":
            raise ProblemError(_NOT_JSON)
        raw: bytes = await self._bodies.read(request)
        try:
            return read(model, orjson.loads(raw), code="body_invalid", strict=True)
        except orjson.JSONDecodeError:
            raise ProblemError(Problem(400, "body_invalid", "The body is not JSON (RFC 8259).")) from None
        finally:
            self._bodies.done(raw)


def find(request: web.BaseRequest) -> tuple[Operation, tuple[str, ...]]:
    """Find the operation of a request, and the values in its path.

    Raises:
        ProblemError: There is none.
    """
    asked = request.raw_path.partition("?")[0].removeprefix(PREFIX).split("/")
    matches = [(one, values) for one in OPERATIONS if (values := _matched(one.path.split("/"), asked)) is not None]
    if not matches:
        raise ProblemError(_NOT_FOUND)
    _check_method(request, tuple(one.method for one, _ in matches))
    method = "GET" if request.method == "HEAD" else request.method
    return next((one, values) for one, values in matches if one.method == method)


def read_query(text: str) -> Mapping[str, str]:
    """Read a query string, each name once.

    Raises:
        ProblemError: It cannot be read.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=32) if text else []
    except (UnicodeDecodeError, ValueError):
        raise ProblemError(_UNREADABLE) from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise ProblemError(_UNREADABLE)
    return dict(pairs)


def read(model: type[BaseModel], given: Any, *, code: str, strict: bool = False) -> Any:
    """Check what was sent.

    Raises:
        ProblemError: It names what is wrong, without the value.
    """
    try:
        return (
            model.model_validate(given) if not strict else model.model_validate_json(orjson.dumps(given), strict=True)
        )
    except ValidationError as error:
        told = [
            f"{'.'.join(map(str, one['loc']))[:100]}: {one['msg']}" for one in error.errors(include_input=False)[:5]
        ]
        raise ProblemError(Problem(400, code, "; ".join(told))) from None


def _matched(template: list[str], asked: list[str]) -> tuple[str, ...] | None:
    if len(template) != len(asked):
        return None
    values = []
    for wanted, part in zip(template, asked, strict=True):
        if wanted.startswith("{"):
            values.append(unquote(part))
        elif wanted != part:
            return None
    return tuple(values)


def _check_method(request: web.BaseRequest, methods: tuple[str, ...]) -> None:
    allowed = {*methods, "HEAD"} if "GET" in methods else set(methods)
    if request.method not in allowed:
        allow = ", ".join(sorted(allowed))
        raise ProblemError(Problem(405, "method_not_allowed", f"Use {allow}.", {"allow": allow}))


@cache
def _adapter(answers: type) -> TypeAdapter[Any]:
    return TypeAdapter(answers)


@cache
def _document() -> bytes:
    return openapi_document()
