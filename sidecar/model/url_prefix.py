"""Which callback-urls a literal prefix covers. Credentials hang on it: what could be read in two ways is outside."""

import re
from dataclasses import dataclass
from typing import Self
from unicodedata import normalize
from urllib.parse import unquote

from sidecar.model.callback_url import WebhookUrl, parse_webhook_url

# An encoded slash, backslash, percent sign or NUL: servers differ in whether, and how often, they decode them. What
# begins an overlong UTF-8 sequence, and what is no escape at all (%u002e): some servers decode those, too.
_AMBIGUOUS = re.compile(r"%(?:2f|5c|25|00|c0|c1)|%(?![0-9a-f]{2})", re.IGNORECASE)
_DOTS = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class UrlPrefix:
    """Scheme, host, port and the beginning of a path, which ends where a segment ends."""

    text: str  # as it was written
    origin: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a prefix such as ``https://gw.corp.example:8243/crm/1.0/``.

        Raises:
            ValueError: It is none; the text says why.
        """
        url = parse_webhook_url(text)
        if "?" in text:
            raise ValueError("it has a query; leave out '?' and what follows")
        if leads_astray(url.path):
            raise ValueError("its path has dot segments or encoded slashes; write it plainly")
        return cls(text, url.origin, url.path)

    @property
    def secure(self) -> bool:
        """Whether it covers https only."""
        return self.origin.startswith("https://")

    @property
    def key(self) -> str:
        """Origin and path without a slash at its end: the form that endpoints have, too."""
        return self.origin + self.path.rstrip("/")

    def covers(self, url: WebhookUrl) -> bool:
        """Tell whether a URL lies under this prefix, by every reading that a server may have of it.

        Scheme and host compare without case and the port as its default; the path compares byte for byte, and ends
        at a segment: ``/crm`` covers ``/crm`` and ``/crm/x``, never ``/crm2``.
        """
        if url.origin != self.origin or not url.path.startswith(self.path):
            return False
        whole = self.path.endswith("/") or url.path[len(self.path) :][:1] in {"", "/"}
        return whole and not leads_astray(url.path)


def leads_astray(path: str) -> bool:
    """Tell whether a server may take a path for another: dot segments, also encoded or with parameters (``..;``)."""
    return _AMBIGUOUS.search(path) is not None or any(map(_strays, path.split("/")))


def _strays(segment: str) -> bool:
    text = unquote(segment)
    if not text.isascii():  # full-width dots and slashes become plain ones where a server folds compatible forms
        text = normalize("NFKC", text)
    return text.partition(";")[0] in _DOTS or "/" in text or "\\" in text
