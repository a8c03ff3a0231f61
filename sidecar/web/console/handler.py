"""Answer the console: sign in, find the page, look or act, render."""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from jinja2 import Environment

from sidecar.model.audit import Actor
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.operate.cursor import CursorError
from sidecar.operate.ports import Operator
from sidecar.web.api.handler import AWAY, MAX_PENDING, read_query
from sidecar.web.body import BodyReader
from sidecar.web.console import changes, pages
from sidecar.web.console.changes import PAUSES
from sidecar.web.console.render import make_templates
from sidecar.web.console.session import COOKIE, LIFE, Session, Sessions
from sidecar.web.console.visit import ROOT, GoTo, Page, Visit, link
from sidecar.web.tokens import Tokens

MAX_BODY = 16 * 1024
THEME = "sidecar_theme"
THEMES = ("light", "dark")
YEAR = 31_536_000
STATIC = {
    "console.css": ("text/css; charset=utf-8", "console.css"),
    "console.js": ("text/javascript; charset=utf-8", "console.js"),
    "mark.svg": ("image/svg+xml", "mark.svg"),
}
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOT_FOUND = Problem(404, "not_found", "There is no such page.")
FORGED = Problem(
    403, "forbidden", "This form is too old, or came from elsewhere. Go back, load the page again, repeat."
)
_METHOD = Problem(405, "method_not_allowed", "Use the forms of the console.", {"allow": "GET, HEAD, POST"})
_BUSY = Problem(503, "overloaded", "Too many operators ask at once; repeat in a second.", {"retry-after": "1"})

Answer = Page | GoTo
LOOKS: Mapping[str, Callable[[Visit], Awaitable[Answer]]] = {
    "": pages.overview,
    "find": pages.find,
    "jobs": pages.jobs,
    "job": pages.job,
    "retries": changes.retries,
    "endpoints": pages.endpoints,
    "audit": pages.audit,
}
ACTS: Mapping[str, Callable[[Visit], Awaitable[Answer]]] = {
    "retries/confirm": changes.confirm,
    "retries/apply": changes.apply,
    "endpoints/pause": changes.pause,
    "endpoints/resume": changes.resume,
}


class ConsoleHandler:
    """Answers whatever is below ``/console``.

    Args:
        operator: Makes the operator that acts in somebody's name.
        tokens: Who may sign in.
        idle_timeout: Longest pause in a form's body, in seconds.
    """

    def __init__(self, operator: Callable[[Actor], Operator], tokens: Tokens, *, idle_timeout: float) -> None:
        self._operator = operator
        self._tokens = tokens
        self._sessions = Sessions(tokens)
        self._templates: Environment | None = None
        self._bodies = BodyReader(limit=MAX_BODY, budget=MAX_BODY * MAX_PENDING, idle_timeout=idle_timeout)
        self._static: dict[str, bytes] = {}
        self._pending = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error is a page."""
        path = request.path.removeprefix(ROOT).strip("/")
        if path.startswith("static/"):
            return self._asset(path.removeprefix("static/"))
        session = self._sessions.resume(request.cookies.get(COOKIE, ""), now=time.time())
        self._pending += 1
        try:
            if self._pending > MAX_PENDING:
                return self._failed(request, session, _BUSY)
            return await self._answer(request, path, session)
        except ProblemError as error:
            return self._failed(request, session, error.problem)
        except CursorError as error:
            return self._failed(request, session, Problem(400, "query_invalid", str(error)))
        except LedgerRejected:
            return self._failed(request, session, Problem(400, "query_invalid", "A value cannot be looked for."))
        except LedgerUnavailable:
            return self._failed(request, session, AWAY)
        finally:
            self._pending -= 1

    async def _answer(self, request: web.BaseRequest, path: str, session: Session | None) -> web.StreamResponse:
        if request.method == "POST":
            form = await self._form(request)
            if path == "login":
                return self._sign_in(request, form)
            if session is None:
                return self._sign_in_first(request)
            if not _same(form.get("csrf", ""), session.csrf):
                raise ProblemError(FORGED)
            return await self._act(request, path, session, form)
        if request.method not in {"GET", "HEAD"}:
            raise ProblemError(_METHOD)
        if path == "login":
            return self._render(
                request, session, Page("login.html", {"wrong": False, "next": request.query.get("next", "")})
            )
        if session is None:
            return self._sign_in_first(request)
        name, *rest = path.split("/")
        if name == "jobs" and rest:
            name = "job"
        look = LOOKS.get(name)
        if look is None or (rest and name != "job"):
            raise ProblemError(NOT_FOUND)
        return self._told(request, session, await look(await self._visit(request, session, {}, tuple(rest))))

    async def _act(
        self, request: web.BaseRequest, path: str, session: Session, form: Mapping[str, str]
    ) -> web.StreamResponse:
        if path == "logout":
            response = _redirect(link("/login", {}))
            response.del_cookie(COOKIE, path=ROOT)
            return response
        if path == "theme":
            response = _redirect(_inside(form.get("back", "")))
            theme = form.get("theme", "")
            if theme in THEMES:
                response.set_cookie(THEME, theme, path=ROOT, max_age=YEAR, samesite="Strict", httponly=True)
            return response
        act = ACTS.get(path)
        if act is None:
            raise ProblemError(NOT_FOUND)
        return self._told(request, session, await act(await self._visit(request, session, form, ())))

    async def _visit(
        self, request: web.BaseRequest, session: Session, form: Mapping[str, str], rest: tuple[str, ...]
    ) -> Visit:
        operator = self._operator(session.actor)
        return Visit(operator, session, rest, read_query(request.query_string), form, await operator.now())

    async def _form(self, request: web.BaseRequest) -> dict[str, str]:
        """Read a form of ours.

        Raises:
            ProblemError: Another site sent it, or it cannot be read.
        """
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise ProblemError(FORGED)
        raw: bytes = await self._bodies.read(request)
        try:
            return dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=32))
        except ValueError:
            raise ProblemError(FORGED) from None
        finally:
            self._bodies.done(raw)

    def _sign_in(self, request: web.BaseRequest, form: Mapping[str, str]) -> web.StreamResponse:
        actor = self._tokens.of_token(form.get("token", "").strip())
        session = None if actor is None else self._sessions.begin(actor, now=time.time())
        if session is None:
            context = {"wrong": True, "next": form.get("next", "")}
            return self._render(request, None, Page("login.html", context, 401))
        response = _redirect(_inside(form.get("next", "")))
        _keep(request, response, session)
        return response

    def _sign_in_first(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = request.path_qs if request.method in {"GET", "HEAD"} else ""
        return _redirect(link("/login", {"next": wanted if wanted != ROOT else ""}))

    def _told(self, request: web.BaseRequest, session: Session, answer: Answer) -> web.StreamResponse:
        response = _redirect(answer.location) if isinstance(answer, GoTo) else self._render(request, session, answer)
        if session.half_over(time.time()):
            renewed = self._sessions.begin(session.actor, now=time.time())
            if renewed is not None:
                _keep(request, response, renewed)
        return response

    def _failed(self, request: web.BaseRequest, session: Session | None, problem: Problem) -> web.StreamResponse:
        response = self._render(request, session, Page("problem.html", {"problem": problem}, problem.status))
        response.headers.update(problem.headers)
        return response

    def _render(self, request: web.BaseRequest, session: Session | None, page: Page) -> web.Response:
        if self._templates is None:  # the first visitor loads them: most processes have none
            self._templates = make_templates()
        theme = request.cookies.get(THEME, "")
        shared: dict[str, Any] = {
            "session": session,
            "may_act": session is not None and session.actor.role == "operator",
            "theme": theme if theme in THEMES else "",
            "here": request.path,
            "back": request.path_qs if request.method == "GET" else ROOT,
            "root": ROOT,
            "link": link,
            "pauses": PAUSES,
            "told": request.query,
            "now": datetime.now(UTC),
        }
        text = self._templates.get_template(page.template).render({**shared, **page.context})
        return web.Response(status=page.status, body=text.encode(), headers=HEADERS)

    def _asset(self, name: str) -> web.StreamResponse:
        kind = STATIC.get(name)
        if kind is None:
            return web.Response(status=404, headers=HEADERS)
        if name not in self._static:
            self._static[name] = (files("sidecar.web.console") / "static" / kind[1]).read_bytes()
        headers = {**HEADERS, "Content-Type": kind[0], "Cache-Control": "private, max-age=300"}
        return web.Response(body=self._static[name], headers=headers)


def _keep(request: web.BaseRequest, response: web.StreamResponse, session: Session) -> None:
    # Behind a proxy that ends TLS, its header says so; a header that lies only makes the cookie more careful.
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "") == "https"
    response.set_cookie(
        COOKIE, session.cookie, path=ROOT, max_age=int(LIFE), httponly=True, samesite="Strict", secure=secure
    )


def _inside(path: str) -> str:
    """Keep to our own pages: whatever else a form says leads to the first one."""
    plain = path == ROOT or path.startswith((f"{ROOT}/", f"{ROOT}?"))
    return path if plain and path.isprintable() and "\\" not in path and "//" not in path else ROOT


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _redirect(location: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": location})
