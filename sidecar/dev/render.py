"""Show HTTP answers and webhook messages to a person: pure functions from values to lines of text."""

import codecs
import contextlib
import json
from collections.abc import Iterable, Mapping

BODY_LIMIT = 900  # characters shown of a body
TELLING = (
    "content-type",
    "content-encoding",
    "location",
    "retry-after",
    "allow",
    "preference-applied",
    "idempotency-replayed",
    "traceparent",
)
TELLING_PREFIXES = ("x-", "webhook-")
SECRET = ("authorization",)


def printable(text: str) -> str:
    """Make what a stranger sent safe for a terminal: control characters become escapes."""
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def header_lines(headers: Iterable[tuple[str, str]], *, every: bool = False) -> list[str]:
    """Show the headers that tell something here, or every one; credentials are named, never shown."""
    lines = []
    for name, value in headers:
        low = name.lower()
        if low in SECRET:
            lines.append(f"{low}: (present, not shown)")
        elif every or low in TELLING or low.startswith(TELLING_PREFIXES):
            lines.append(printable(f"{low}: {value}"))
    return lines


def body_lines(body: bytes, *, limit: int = BODY_LIMIT, size: int | None = None) -> list[str]:
    """Show a body: JSON indented, other text as it is, bytes by their number; cut with a note at ``limit``.

    ``size`` is the number of bytes in all, when ``body`` is only the beginning.
    """
    if not body:
        return []
    size = len(body) if size is None else size
    try:
        # Of a beginning, the last character may lack its end.
        text = codecs.getincrementaldecoder("utf-8")().decode(body, final=size == len(body))
    except UnicodeDecodeError:
        return [f"({size} bytes that are not text)"]
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    cut = printable(text[:limit]).splitlines()
    return cut if len(text) <= limit and size == len(body) else [*cut, f"... (cut; {size} bytes in all)"]


def answer_lines(answer: Mapping[str, object]) -> list[str]:
    """Say in words what a job's 202 answer means; nothing when it is not one."""
    services = answer.get("services")
    if "job_id" not in answer or not isinstance(services, list):
        return []
    meaning = {
        "invoked": "every service took the call",
        "partially_invoked": "some services refused; their errors go to the webhook",
        "accepted": "stored; some service has not acknowledged yet",
    }
    status = str(answer.get("status"))
    lines = [f"job {answer['job_id']} is {status}: {meaning.get(status, 'see the documentation')}"]
    for service in services:
        if isinstance(service, dict):
            code = service.get("status_code")
            lines.append(
                f"  {service.get('service')}: {service.get('status')}" + (f" (answered {code})" if code else "")
            )
    return [printable(line) for line in lines]
