"""How long the other side asks us to wait: the Retry-After header, in both of its forms."""

from collections.abc import Iterable
from email.utils import parsedate_to_datetime


def retry_after(headers: Iterable[tuple[bytes, bytes]], *, longest: float) -> float:
    """Read Retry-After in seconds, or as a date against the answer's own Date; 0 when there is no usable one.

    Args:
        headers: Raw headers of the answer.
        longest: Seconds; no longer wait is granted.

    Source: RFC 9110, section 10.2.3. A date without a Date header says nothing, since clocks differ.
    """
    found = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    value = found.get(b"retry-after", "")
    if value.isascii() and value.isdecimal():
        return min(float(value[:10]), longest)
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(found[b"date"])).total_seconds()
    except (ValueError, KeyError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), longest)
