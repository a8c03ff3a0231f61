"""Problem documents as HTTP responses (RFC 9457)."""

from aiohttp import web
from multidict import CIMultiDict

from sidecar.model.problems import CONTENT_TYPE, Problem


def problem_response(problem: Problem, correlation_id: str | None = None) -> web.Response:
    """Render a problem; it is never cached, and carries ``x-correlation-id`` when the request had a usable one."""
    headers = CIMultiDict({"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
    if correlation_id is not None:
        headers["X-Correlation-Id"] = correlation_id
    headers.update(problem.headers)
    return web.Response(status=problem.status, body=problem.body(correlation_id), headers=headers)
