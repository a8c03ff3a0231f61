"""Which content types a route takes."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

_TOKEN: Final = r"[!#$%&'+.^_`|~0-9a-z-]+"  # noqa: S105 - RFC 9110, section 5.6.2, in lower case and without the star
_RANGE: Final = re.compile(rf"\*/\*|{_TOKEN}/(\*|{_TOKEN})", re.ASCII)
_UNKNOWN: Final = "application/octet-stream"


def match_media_type(accepts: tuple[str, ...], content_type: str | None) -> bool:
    """Tell whether one of the media ranges covers a Content-Type; an empty ``accepts`` covers everything.

    Parameters such as ``charset`` do not matter. A missing type counts as ``application/octet-stream``
    (RFC 9110, section 8.3).
    """
    if not accepts:
        return True
    media_type = (content_type or _UNKNOWN).partition(";")[0].strip().lower()
    if media_type in accepts or "*/*" in accepts:
        return True
    return f"{media_type.partition('/')[0]}/*" in accepts


def _check_media_range(text: str) -> str:
    media_range = text.strip().lower()
    if not _RANGE.fullmatch(media_range):
        raise ValueError(f"{text!r} is not a media type; write it like application/json or image/*, without parameters")
    return media_range


MediaRange = Annotated[str, AfterValidator(_check_media_range)]
"""A media type such as ``application/json``, or a range such as ``image/*``, in lower case."""
