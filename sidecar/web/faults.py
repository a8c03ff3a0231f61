"""Which problem document answers a request that cannot be served as HTTP. Values that the client sent are not told."""

from aiohttp.http_exceptions import LineTooLong

from sidecar.model.problems import Problem

BAD_REQUEST = Problem(400, "bad_request", "The request line, a header or the framing is not valid HTTP/1.1.")
BAD_VERSION = Problem(400, "bad_request", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
BAD_METHOD = Problem(400, "bad_request", "CONNECT is not served: this is no proxy.")
BAD_CODING = Problem(400, "bad_request", "The only transfer coding understood is 'chunked', and only in HTTP/1.1.")
URI_TOO_LONG = Problem(414, "uri_too_long", "The request target is too long; send parameters in the body.")
FIELD_TOO_LARGE = Problem(431, "headers_too_large", "One header field is larger than gateway.headers.field allows.")
TOO_MANY_FIELDS = Problem(431, "headers_too_large", "There are more header fields than gateway.headers.count allows.")
HEAD_TOO_LARGE = Problem(431, "headers_too_large", "All headers together exceed gateway.headers.total.")
EXPECTATION_FAILED = Problem(417, "expectation_failed", "The only expectation met here is '100-continue'.")
TOO_MANY_CONNECTIONS = Problem(
    503,
    "overloaded",
    "This listener has as many connections as it may; use those that are open, or come again in a second.",
    headers={"Retry-After": "1"},
)
INTERNAL = Problem(500, "internal_error", "The request failed inside the sidecar; its log has the reason.")
NOT_STORED = Problem(
    503,
    "database_unavailable",
    "The database did not confirm the write; repeat the request, with the same idempotency-key where you use one.",
    headers={"Retry-After": "5"},
)

# How aiohttp's parser words the one limit that has no exception class of its own.
_TOO_MANY = "Too many headers received"


def parse_problem(error: BaseException | None, *, line_limit: int) -> Problem:
    """Choose the problem for what the parser raised; ``line_limit`` (bytes) tells long targets from long headers."""
    if isinstance(error, LineTooLong):
        return URI_TOO_LONG if error.args[1:2] == (line_limit,) else FIELD_TOO_LARGE
    if getattr(error, "message", None) == _TOO_MANY:
        return TOO_MANY_FIELDS
    if isinstance(error, HeadTooLarge):
        return HEAD_TOO_LARGE
    if isinstance(error, TooManyConnections):
        return TOO_MANY_CONNECTIONS
    return BAD_REQUEST


class HeadTooLarge(Exception):  # noqa: N818 - named for the state it reports
    """All headers of a request together exceed the limit."""


class TooManyConnections(Exception):  # noqa: N818 - likewise
    """The listener has no place for one more connection."""
