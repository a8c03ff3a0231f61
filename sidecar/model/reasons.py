"""Why an invocation or a delivery ended as it did: closed sets, and therefore also the metric labels."""

from enum import StrEnum


class InvocationReason(StrEnum):
    """Why a service yielded no result."""

    REFUSED = "refused"  # a definite 4xx or 5xx
    UNREACHABLE = "unreachable"  # no connection
    BUSY = "busy"  # 429 or 503, tries used up
    ACK_TIMEOUT = "ack_timeout"  # sent, no status in time
    RESET = "reset"  # the connection ended after sending
    GATEWAY_FAULT = "gateway_fault"  # 408, 502, 504, or WSO2 saying that the service is silent
    DEADLINE = "deadline_exceeded"
    NOT_INVOKED = "not_invoked"  # the deadline passed before a first try
    OUTCOME_UNKNOWN = "outcome_unknown"  # may have run, must not be repeated
    CRASHED_WORKERS = "crashed_workers"
    RESPONSE_TOO_LARGE = "response_too_large"
    SERVICE_FAILED = "service_failed"  # the service itself said so
    CANCELLED = "cancelled"
    STORAGE_UNAVAILABLE = "storage_unavailable"  # ours: the object store is away, so that a large body cannot pass
    INTERNAL = "internal"


class DeliveryReason(StrEnum):
    """Why an attempt at the webhook failed."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad_response"  # not HTTP
    REQUEST_TIMEOUT = "status_408"
    TOO_MANY_REQUESTS = "status_429"
    BAD_GATEWAY = "status_502"
    UNAVAILABLE = "status_503"
    GATEWAY_TIMEOUT = "status_504"
    WSO2_FAULT = "wso2_fault"  # a 500 whose JSON code is 1015xx or 303001
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_SUBSCRIBED = "not_subscribed"  # WSO2's 403 with code 900908: the service user's application lacks the API
    SCOPE_MISSING = "scope_missing"  # WSO2's 403 with code 900910: its token lacks the scope of the resource
    REDIRECT = "redirect"
    EGRESS = "egress_refused"  # the egress guard: what the name leads to may not be called
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    REJECTED = "rejected"  # any other 4xx
    SERVER_ERROR = "server_error"  # a plain 500, 501 or other 5xx
    CRASHED_WORKERS = "crashed_workers"
    CANCELLED = "cancelled"
    INTERNAL = "internal"  # ours, not theirs


class OwnReason(StrEnum):
    """Why a message was put off by us: it counts no attempt, and says nothing about its webhook."""

    RELEASED = "released"  # not begun: the worker stops, or the endpoint is away
    NOT_ALIVE = "not_alive"  # this worker may be thought dead, so it sends nothing
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    CONNECTIONS_BUSY = "connections_busy"  # webhook.concurrency.per_host or total left it no place in time
    RESOLVER_AWAY = "resolver_unavailable"  # names cannot be resolved, our own neither
    KEY_MANAGER_AWAY = "key_manager_unavailable"  # it does not answer, or not with a token
    KEY_MANAGER_REFUSES = "key_manager_refused"  # it refuses the service user
    RENEWING = "token_pending"  # a token is being fetched, or the next one may not be fetched yet
    UNREADABLE = "credentials_unreadable"  # a file with the service user's secret or certificate
