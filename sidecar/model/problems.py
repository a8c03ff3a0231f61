"""The closed set of problem documents (RFC 9457) that the sidecar answers with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:wso2-mediation-sidecar:problem:"

TITLES: Mapping[str, str] = MappingProxyType(
    {
        # what the caller sent
        "bad_request": "The request cannot be read as HTTP",
        "body_invalid": "The request body is not usable",
        "body_unreadable": "The request body ended early or cannot be read",
        "body_timeout": "The request body did not arrive in time",
        "callback_url_missing": "The header callback-url is missing",
        "callback_url_invalid": "The header callback-url is not usable",
        "callback_url_repeated": "The header callback-url was sent more than once",
        "callback_url_refused": "This callback-url may not be called",
        "correlation_id_invalid": "The correlation id is not usable",
        "idempotency_key_invalid": "The header idempotency-key is not usable",
        "idempotency_key_reused": "This idempotency-key was used for another request",
        "idempotency_key_in_progress": "The first request with this idempotency-key is not answered yet",
        "upload_url_unsupported": "The header upload-url is not served here",
        "upload_url_invalid": "The header upload-url is not usable",
        "upload_url_refused": "This upload-url may not be called",
        "upload_url_ambiguous": "More than one result can come of this request",
        "path_invalid": "The request path is not usable",
        "query_invalid": "The query string is not usable",
        "header_invalid": "A request header is not usable",
        "result_status_invalid": "The header x-result-status is not usable",
        "result_status_unsupported": "This x-result-status is not served here",
        "upload_missing": "Nothing was uploaded",
        "unauthorized": "Whoever calls did not identify themselves",
        "forbidden": "Whoever calls may not do this",
        "sandbox_unavailable": "This route has no sandbox",
        "route_unknown": "No route matches this path",
        "method_not_allowed": "The route does not take this method",
        "media_type_unsupported": "The route does not take this content type",
        "body_too_large": "The body is too large",
        "headers_too_large": "The request headers are too large",
        "uri_too_long": "The request line is too long",
        "application_limit_exceeded": "The application has reached a limit",
        "loop_detected": "The request came from this sidecar",
        "expectation_failed": "The expectation cannot be met",
        # what became of it
        "all_services_refused": "Every service refused the request",
        "job_unknown": "No such job",
        "result_not_ready": "There is no result yet",
        "result_gone": "The result is no longer kept",
        "range_invalid": "The result has no such range",
        "callback_unknown": "No invocation waits at this address",
        "callback_conflict": "Another outcome stands",
        "callback_too_late": "The deadline of the job has passed",
        # us
        "overloaded": "The sidecar is overloaded",
        "database_unavailable": "The request was not stored",
        "ledger_unavailable": "The database did not answer",
        "storage_unavailable": "The body was not stored",
        "gateway_keys_unavailable": "Nobody can be identified just now",
        "not_ready": "The sidecar should get no requests now",
        "not_found": "There is nothing at this address",
        "internal_error": "The sidecar failed",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document: ``status`` and ``code`` decide, ``detail`` explains and names the remedy."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The short human title that belongs to the code."""
        return TITLES[self.code]

    def body(self, correlation_id: str | None) -> bytes:
        """Render the document; ``correlation_id`` is null when the request never showed a usable one."""
        return orjson.dumps(
            {
                "type": TYPE_PREFIX + self.code,
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                "correlation_id": correlation_id,
                **self.extra,
            }
        )
