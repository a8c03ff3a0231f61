"""Tell each call of the store, by the hooks of its client."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

Told = Callable[[str, str, float], None]
"""Takes the operation, what came of it, and the seconds that it took, to the head of its answer."""

OPERATIONS = (
    *("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "HeadBucket"),
    *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"),
    *("ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"),
)
"""What the sidecar asks a store for."""

RESULTS = ("ok", "refused", "failed")
"""``refused``: an answer from 300 to 499; ``failed``: from 500, or none. The client's own repetitions are one call."""

_BEGAN = "sidecar_began"
_REFUSED = 300
_FAILED = 500


def tell_calls(client: "S3Client", told: Told) -> None:
    """Have each call of a client told."""

    def begun(context: dict[str, Any], **_: Any) -> None:
        context[_BEGAN] = time.monotonic()

    def answered(http_response: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        status = http_response.status_code
        result = "ok" if status < _REFUSED else "refused" if status < _FAILED else "failed"
        told(model.name, result, _since(context))

    def broken(context: dict[str, Any], event_name: str, **_: Any) -> None:
        told(event_name.rpartition(".")[2], "failed", _since(context))

    events = client.meta.events
    events.register("before-call.s3", begun)
    events.register("after-call.s3", answered)
    events.register("after-call-error.s3", broken)


def _since(context: dict[str, Any]) -> float:
    now = time.monotonic()
    return now - float(context.get(_BEGAN, now))
