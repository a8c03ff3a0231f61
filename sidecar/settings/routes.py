"""Routes: which services a request goes to."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sidecar.model.route import Completion, Gather
from sidecar.settings.addresses import HeaderName
from sidecar.settings.media_types import MediaRange
from sidecar.settings.offload import OffloadOverride
from sidecar.settings.section import Section
from sidecar.settings.units import HOUR, MINUTE, SECOND, Duration, Size, lasting, sized
from sidecar.settings.url_template import parse_path, parse_url

_NEVER_FORWARDED = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-authorization", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "expect"}
)


def _check_path(path: str) -> str:
    parse_path(path)
    return path


def _check_url(url: str) -> str:
    parse_url(url)
    return url


def _check_forwarded(name: str) -> str:
    if name in _NEVER_FORWARDED:
        raise ValueError(f"{name} belongs to one connection and cannot be forwarded (RFC 9110, section 7.6.1)")
    return name


def _check_method(method: str) -> str:
    upper = method.upper()
    if not upper.isascii() or not upper.isalpha() or upper in {"CONNECT", "TRACE"}:
        raise ValueError(f"{method!r} is not a method that can be routed; write it like POST")
    return upper


Method = Annotated[str, AfterValidator(_check_method)]
UrlTemplateText = Annotated[str, AfterValidator(_check_url)]
ForwardedHeader = Annotated[HeaderName, AfterValidator(_check_forwarded)]
HttpStatus = Annotated[int, Field(ge=200, le=599)]


class FailedWhenSettings(Section):
    """How to see that an answer is a failure, for services that cannot send x-result-status; all tests must hold."""

    header: dict[HeaderName, str] | None = Field(default=None, min_length=1, max_length=1)
    """One header and the value that means failure."""
    status: tuple[HttpStatus, ...] = ()
    """Statuses of a synchronous response that mean failure."""
    pointer: str | None = Field(default=None, pattern=r"^(/([^~/]|~[01])*)+$")
    """Where to look in a JSON body (RFC 6901), like /error/code."""
    equals: Any = None
    """The value that means failure there. Unset: that something is there means it."""

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        if self.header is None and not self.status and self.pointer is None:
            raise ValueError("tests nothing; give header, status or pointer")
        if self.equals is not None and self.pointer is None:
            raise ValueError("has equals without pointer; say where in the JSON body to look")
        return self


class ServiceSettings(Section):
    """One service of a route."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """Name in messages, logs and addresses; unique in its route, and not ``all``."""
    url: UrlTemplateText
    """Where it is called; the path variables of the route may stand in path and query, like /reports/{order_id}."""
    sandbox_url: UrlTemplateText | None = None
    """Where it is called for requests with a sandbox key. Unset: the route refuses them."""
    completion: Completion = Completion.CALLBACK
    """How an invocation ends: by a callback, by the response itself, or (none) at its acknowledgement."""
    ack_timeout: Annotated[Duration, lasting("1ms", "10m")] = 10 * SECOND
    """Longest time to an acknowledgement, a duration."""
    timeout: Annotated[Duration, lasting("1ms", "24h")] = MINUTE
    """Longest time to the whole response, where that is the result, a duration."""
    retry: Literal["short", "none"] = "short"
    """Whether a call that certainly failed is tried again a few times."""
    repeat: Literal["allowed", "never"] = "allowed"
    """Whether it may be called again when an earlier call may have reached it."""
    callback_url: Literal["ours", "original"] = "ours"
    """Which callback-url it gets: ours, or the caller's own."""
    failed_when: FailedWhenSettings | None = None
    """How to see that an answer is a failure."""
    strip_headers: tuple[HeaderName, ...] = ()
    """Headers of the caller that it does not get, such as authorization."""
    forward_headers: tuple[ForwardedHeader, ...] = ()
    """Headers of the caller that it gets although they are usually dropped, such as cookie."""
    offer_upload: bool = False
    """Whether it gets a link to upload a large result itself."""


class RouteSettings(Section):
    """Requests that go to the same services."""

    path: Annotated[str, AfterValidator(_check_path)]
    """Path of the requests, like /orders/{order_id}/report; a variable takes one whole segment."""
    methods: tuple[Method, ...] = Field(default=("POST",), min_length=1)
    """Methods of the requests."""
    gather: Gather = Gather.EACH
    """One message for each service, or one aggregate for all."""
    deadline: Annotated[Duration, lasting("1ms", "7d")] = HOUR
    """When a job ends at the latest, a duration from accept, at most 7d."""
    accepts: tuple[MediaRange, ...] = ()
    """Content types of the requests, like application/json or image/*. Empty: all."""
    max_body: Annotated[Size, sized("1B", "5TiB")] | None = None
    """Largest request body, a size. Unset: gateway.max_body."""
    offload: OffloadOverride | None = None
    """Where this route's bodies go instead."""
    services: tuple[ServiceSettings, ...] = Field(min_length=1, max_length=64)
    """The services that a request goes to."""
