"""Where a request wants its messages to go: judged before the request is taken in."""

from typing import Protocol

from sidecar.accept.request import AcceptRequest
from sidecar.model.callback_url import WebhookUrl
from sidecar.model.egress import Refusal
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

DETAIL = "The sidecar does not call this address; its operator decides which hosts, networks and ports are open."
"""One text for all reasons: strangers learn nothing about our network from it."""


class Egress(Protocol):
    """Who judges."""

    async def refusal(self, url: WebhookUrl, /) -> Refusal | None:
        """Tell why a URL may not be called, as far as it can be known now."""


class Targets:
    """Refuse requests whose messages would go where they may not."""

    def __init__(self, egress: Egress, *, log: EventLog, metrics: Metrics) -> None:
        self._egress = egress
        self._log = log
        self._metrics = metrics

    async def check(self, request: AcceptRequest) -> None:
        """Judge the request's callback-url and upload-url.

        Raises:
            ProblemError: 403; the true reason is in the log.
        """
        refusal = await self._egress.refusal(request.callback)
        if refusal is not None:
            self._told("callback-url", request.callback, refusal, request)
            raise ProblemError(Problem(403, "callback_url_refused", DETAIL))
        if request.upload is None:
            return
        refusal = await self._egress.refusal(request.upload)
        if refusal is not None:
            self._told("upload-url", request.upload, refusal, request)
            raise ProblemError(Problem(403, "upload_url_refused", DETAIL))

    def _told(self, header: str, url: WebhookUrl, refusal: Refusal, request: AcceptRequest) -> None:
        self._metrics.egress_refused("accept", refusal.reason)
        self._log.warning(
            Event.EGRESS_REFUSED,
            stage="accept",
            header=header,
            host=f"{url.host}:{url.port}",
            reason=refusal.reason,
            detail=refusal.detail,
            correlation_id=request.correlation_id,
            application=request.caller.application,
        )
