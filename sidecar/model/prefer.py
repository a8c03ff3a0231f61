"""The Prefer header (RFC 7240): how long the caller is willing to wait for the acknowledgements."""

import re
from collections.abc import Iterable

from sidecar.kit.value_class import value_class

_PREFERENCE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:\"([^\"\\]*)\"|([^\s;,\"]*)))?\s*(?:;.*)?\Z")
_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')  # a comma within quotes parts nothing
_SECONDS = re.compile(r"[0-9]{1,9}\Z")


@value_class
class Preference:
    """What was asked for and is granted: ``wait`` in seconds, and the text of ``Preference-Applied``."""

    wait: float
    applied: str | None


def apply_preferences(values: Iterable[str], *, wait: float, max_wait: float) -> Preference:
    """Read ``respond-async`` and ``wait=N``; anything malformed is ignored, the first of a kind counts.

    Args:
        values: The Prefer header lines.
        wait: Seconds to wait when nothing is asked for.
        max_wait: The longest wait granted, in seconds.
    """
    seen: dict[str, str] = {}
    for line in values:
        for item in _ITEM.findall(line):
            match = _PREFERENCE.match(item)
            if match:
                seen.setdefault(match[1].lower(), match[2] or match[3] or "")
    applied = []
    if seen.get("respond-async") == "":
        applied.append("respond-async")
    asked = seen.get("wait", "")
    if _SECONDS.match(asked):
        wait = min(float(asked), max_wait)
        applied.append(f"wait={int(wait)}")  # delta-seconds are whole (RFC 7240 section 4.3)
    return Preference(wait=wait, applied=", ".join(applied) or None)
