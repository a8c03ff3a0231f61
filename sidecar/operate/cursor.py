"""Where a page ended, as a word that means nothing to anybody else.

Pages continue by key: what is added meanwhile is neither repeated nor in the way.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from uuid import UUID

MAX = 1024


class CursorError(ValueError):
    """The cursor is none that a page gave; leave it out to begin anew."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def write_cursor(kind: str, place: str | None) -> str | None:
    """Wrap where a page of some kind ended; None stays None."""
    return None if place is None else urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def read_cursor(kind: str, cursor: str | None) -> str | None:
    """Unwrap what :func:`write_cursor` made.

    Raises:
        CursorError: It is not a cursor of this kind.
    """
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii")).decode()
    except (Error, UnicodeError) as error:
        raise CursorError from error
    found, _, place = text.partition(":")
    if found != kind or not place or len(text) > MAX or "\0" in text:
        raise CursorError
    return place


def uuid_place(place: str | None) -> UUID | None:
    """Read a place that is a job's id.

    Raises:
        CursorError: It is none.
    """
    try:
        return None if place is None else UUID(place)
    except ValueError as error:
        raise CursorError from error
