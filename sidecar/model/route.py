"""What a route says about one job: rendered, and kept with the job, so that settings may change while it runs."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import orjson

from sidecar.kit.value_class import value_class


class Completion(StrEnum):
    """How an invocation ends: by a callback, by its own response, or at its acknowledgement."""

    CALLBACK = "callback"
    RESPONSE = "response"
    NONE = "none"


class Gather(StrEnum):
    """One message for each service, or one aggregate for all."""

    EACH = "each"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class FailedWhen:
    """How to see that an answer is a failure when the service cannot send ``x-result-status``.

    Each given test must hold: ``header`` (name, value), ``statuses`` of a synchronous response,
    ``pointer`` (RFC 6901) into a JSON body, with the value that it must equal (``None``: it must exist).
    """

    header: tuple[str, str] | None = None
    statuses: tuple[int, ...] = ()
    pointer: str | None = None
    equals: Any = None


@value_class
class ServiceCall:
    """One service of one job, with everything rendered. Times are seconds."""

    service: str
    service_key: str  # scheme://host:port of the service: its bulkhead
    url: str  # absolute, with variables and the caller's query in place
    completion: Completion = Completion.CALLBACK
    original_callback: bool = False  # callback_url: original
    timeout: float = 10.0  # to the acknowledgement, or to the whole response
    retry: bool = True
    repeat: bool = True  # False: never call twice, not even after a crash
    failed_when: FailedWhen | None = None
    strip_headers: tuple[str, ...] = ()
    forward_headers: tuple[str, ...] = ()
    offer_upload: bool = False  # it gets a link to upload a large result itself

    def told(self) -> dict[str, object]:
        """Tell what the ledger keeps of it, for orjson; what is as usual is left out."""
        told = {name: value for name, usual in _USUAL if (value := getattr(self, name)) != usual}
        if _origin(self.url) == self.service_key:
            del told["service_key"]
        return {"completion": self.completion, **told}

    @classmethod
    def load(cls, raw: bytes) -> "ServiceCall":
        """Read what :meth:`told` became; fields this version does not know are ignored (schema N, code N-1)."""
        data = orjson.loads(raw)
        failed_when = data.get("failed_when")
        if failed_when is not None:
            header = failed_when.get("header")
            data["failed_when"] = FailedWhen(
                header=(header[0], header[1]) if header else None,
                statuses=tuple(failed_when.get("statuses", ())),
                pointer=failed_when.get("pointer"),
                equals=failed_when.get("equals"),
            )
        data["completion"] = Completion(data["completion"])
        data.setdefault("service_key", _origin(data["url"]))
        for name in ("strip_headers", "forward_headers"):
            data[name] = tuple(data.get(name, ()))
        return cls(**{name: data[name] for name in _NAMES if name in data})


def _origin(url: str) -> str:
    """Cut an absolute URL off behind its host."""
    return "/".join(url.split("/", 3)[:3])


_NAMES = tuple(field.name for field in fields(ServiceCall))
_USUAL = tuple((field.name, field.default) for field in fields(ServiceCall) if field.name != "completion")
"""Fields of a call with their defaults, which therefore may not change. How it completes is always written: older
versions and SQL read it."""
