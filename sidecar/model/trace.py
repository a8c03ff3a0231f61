"""W3C trace context: continue the caller's trace, or begin one."""

import re
from random import Random

# Ids of traces keep no secret, and a system call for each would be dear. A generator of our own, because anybody may
# seed the one that all share.
_bits = Random().getrandbits  # noqa: S311
# Version 00 has exactly these four fields; later versions may have more of them, and ff is no version.
_TRACEPARENT = re.compile(
    r"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?\Z"
)


def continue_trace(traceparent: str | None) -> str:
    """Return a valid ``traceparent``: the caller's, or a new sampled one (W3C Trace Context section 3.2)."""
    match = _TRACEPARENT.match(traceparent) if traceparent else None
    if match is None:
        return f"00-{_bits(128):032x}-{_bits(64):016x}-01"
    return f"00-{match[1]}-{_bits(64):016x}-{match[2]}"


def is_traceparent(value: str | None) -> bool:
    """Tell whether the caller sent a trace context that can be continued."""
    return value is not None and _TRACEPARENT.match(value) is not None


def child_span(traceparent: str) -> str:
    """Return a ``traceparent`` for one onward call: same trace and flags, a new parent id."""
    return f"{traceparent[:36]}{_bits(64):016x}{traceparent[52:]}"
