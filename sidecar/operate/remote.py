"""Operating over the admin API of a running sidecar."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import TypeAdapter, ValidationError

from sidecar.model.audit import AuditFilter, AuditRecord
from sidecar.model.errors import LedgerUnavailable, SidecarError
from sidecar.model.overview import Overview
from sidecar.model.retry import RedriveFilter
from sidecar.model.seen_endpoints import EndpointList, EndpointView
from sidecar.model.seen_jobs import JobFilter, JobList
from sidecar.model.seen_retries import LedgerList, RetryCount
from sidecar.model.story import JobStory
from sidecar.operate.ports import STEP

PREFIX = "/api/v1"
TIMEOUT = 30.0  # seconds for one answer
NOT_FOUND, UNAVAILABLE = 404, 503

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Clock:
    now: datetime


@dataclass(frozen=True, slots=True)
class _Counts:
    counts: tuple[RetryCount, ...]


@dataclass(frozen=True, slots=True)
class _Changed:
    count: int


@dataclass(frozen=True, slots=True)
class _Resumed:
    resumed: bool


@dataclass(frozen=True, slots=True)
class _AuditList:
    records: tuple[AuditRecord, ...]
    cursor: str | None


class RemoteError(SidecarError):
    """The sidecar that was asked did not do it; the message says why."""


class RemoteOperator:
    """A running sidecar as one operator sees and changes it: see :class:`sidecar.operate.ports.Operator`.

    Every call raises ``LedgerUnavailable`` when nobody answers, or the sidecar cannot, and ``RemoteError`` when it
    refuses.
    """

    def __init__(self, session: ClientSession, base_url: str) -> None:
        self._session = session
        self._base = base_url.rstrip("/").removesuffix(PREFIX) + PREFIX

    async def now(self) -> datetime:
        """Tell the database's time."""
        return (await self._get(_Clock, "/clock")).now

    async def overview(self) -> Overview:
        """Count what is under way and waits, and tell the last hour."""
        return await self._get(Overview, "/overview")

    async def jobs(self, which: JobFilter, *, cursor: str | None = None, limit: int = 100) -> JobList:
        """List jobs, newest first."""
        return await self._get(JobList, "/jobs", _given(which), cursor=cursor, limit=limit)

    async def story(self, job_id: UUID, *, full: bool = False) -> JobStory | None:
        """Tell all that is known of a job; None when there is none."""
        try:
            return await self._get(JobStory, f"/jobs/{job_id}", full=_flag(full))
        except _AbsentError:
            return None

    async def retries(
        self, which: RedriveFilter, *, cursor: str | None = None, limit: int = 100, full: bool = False
    ) -> LedgerList:
        """List messages of the ledger of retries."""
        return await self._get(LedgerList, "/retries", _choice(which), cursor=cursor, limit=limit, full=_flag(full))

    async def count(self, which: RedriveFilter) -> Sequence[RetryCount]:
        """Count what a list of retries would show."""
        return (await self._get(_Counts, "/retries/count", _choice(which))).counts

    async def redrive(self, which: RedriveFilter, *, new_id: bool = False, limit: int = STEP) -> int:
        """Send messages again."""
        change = {"which": _choice(which), "dry_run": False, "limit": limit, "new_id": new_id}
        return (await self._post(_Changed, "/retries/redrive", change)).count

    async def cancel(self, which: RedriveFilter, *, limit: int = STEP) -> int:
        """Give messages up."""
        change = {"which": _choice(which), "dry_run": False, "limit": limit}
        return (await self._post(_Changed, "/retries/cancel", change)).count

    async def endpoints(self, *, cursor: str | None = None, limit: int = 100) -> EndpointList:
        """List endpoints."""
        return await self._get(EndpointList, "/endpoints", cursor=cursor, limit=limit)

    async def endpoint(self, endpoint: str) -> EndpointView:
        """Tell what is known of one endpoint."""
        return (await self._get(EndpointList, "/endpoints", endpoint=endpoint)).endpoints[0]

    async def pause(self, endpoint: str, *, reason: str, seconds: float | None = None) -> EndpointView:
        """Hold an endpoint."""
        hold: dict[str, Any] = {"endpoint": endpoint, "reason": reason}
        if seconds is not None:
            hold["seconds"] = max(1, round(seconds))
        return await self._post(EndpointView, "/endpoints/pause", hold)

    async def resume(self, endpoint: str) -> bool:
        """Let messages go to an endpoint again."""
        return (await self._post(_Resumed, "/endpoints/resume", {"endpoint": endpoint})).resumed

    async def audit(
        self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100
    ) -> tuple[Sequence[AuditRecord], str | None]:
        """List who changed what."""
        page = await self._get(_AuditList, "/audit", _given(which), cursor=cursor, limit=limit)
        return page.records, page.cursor

    async def _get(self, kind: type[T], path: str, query: Mapping[str, Any] | None = None, **more: Any) -> T:
        asked = {**(query or {}), **more}
        return await self._ask(kind, "GET", path, params={k: str(v) for k, v in asked.items() if v is not None})

    async def _post(self, kind: type[T], path: str, body: Mapping[str, Any]) -> T:
        headers = {"Content-Type": "application/json"}
        return await self._ask(kind, "POST", path, data=orjson.dumps(body), headers=headers)

    async def _ask(self, kind: type[T], method: str, path: str, **request: Any) -> T:
        try:
            async with self._session.request(method, self._base + path, allow_redirects=False, **request) as answer:
                body, status = await answer.read(), answer.status
        except (ClientError, TimeoutError, ValueError) as error:
            raise LedgerUnavailable(f"no answer from {self._base}: {type(error).__name__}") from error
        if status != 200:  # noqa: PLR2004 - the only answer that is none of the problems
            raise _refusal(status, body)
        try:
            found: T = TypeAdapter(kind).validate_json(body)
        except ValidationError as error:
            raise RemoteError(f"{self._base} answers in a way that this version does not know") from error
        return found


class _AbsentError(RemoteError):
    """There is no such thing."""


def _refusal(status: int, body: bytes) -> SidecarError:
    try:
        problem = orjson.loads(body)
        told = str(problem["detail"])
        code = problem["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        told, code = f"it answered {status}, and no problem document: is this an admin listener?", ""
    if status == NOT_FOUND and code == "job_unknown":
        return _AbsentError(told)
    return LedgerUnavailable(told) if status == UNAVAILABLE else RemoteError(f"the sidecar refused: {told}")


def _given(which: JobFilter | AuditFilter | RedriveFilter) -> dict[str, Any]:
    found = {field.name: getattr(which, field.name) for field in fields(which)}
    return {name: _word(value) for name, value in found.items() if value is not None}


def _choice(which: RedriveFilter) -> dict[str, Any]:
    given = _given(which)
    return {**given, "service": "all"} if given.get("service") == "" else given


def _word(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value


def _flag(on: bool) -> str | None:  # noqa: FBT001 - it is a value here
    return "true" if on else None


@asynccontextmanager
async def remote_operator(base_url: str, *, token: str) -> AsyncIterator[RemoteOperator]:
    """Reach the admin listener at ``base_url`` with a token of ``admin.tokens``.

    The authorities that may sign its certificate are the system's, or those of ``SSL_CERT_FILE``.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(total=TIMEOUT)) as session:
        yield RemoteOperator(session, base_url)
