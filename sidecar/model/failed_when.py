"""Tell failure from success for services that cannot say ``x-result-status`` themselves."""

import re
from typing import Any

import orjson

from sidecar.model.route import FailedWhen

_MISSING = object()
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")  # RFC 6901 section 4: no leading zeros


def says_failed(rule: FailedWhen, *, status: int | None, headers: bytes, body: bytes) -> bool:
    """Apply a route's ``failed_when``: true when every test that it names holds.

    Args:
        rule: The tests.
        status: The status of a synchronous response; ``None`` on callbacks, where a status test never holds.
        headers: The header block of the answer.
        body: The answer's body; only an uncompressed JSON body can satisfy a pointer.
    """
    if rule.statuses and status not in rule.statuses:
        return False
    if rule.header is not None and not _has_header(headers, *rule.header):
        return False
    if rule.pointer is not None:
        found = _resolve(body, rule.pointer)
        if found is _MISSING or (rule.equals is not None and not _same(found, rule.equals)):
            return False
    return bool(rule.statuses or rule.header or rule.pointer is not None)


def _has_header(block: bytes, name: str, value: str) -> bool:
    for line in block.decode(errors="replace").split("\r\n"):  # an answer's other headers need not be UTF-8
        have, _, given = line.partition(":")
        if have.lower() == name.lower() and given.strip().lower() == value.lower():
            return True
    return False


def _same(found: Any, wanted: Any) -> bool:
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)  # in JSON, true is not 1


def _resolve(body: bytes, pointer: str) -> Any:
    """Follow a JSON pointer (RFC 6901)."""
    try:
        node = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _MISSING
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and _INDEX.match(key) and int(key) < len(node):
            node = node[int(key)]
        else:
            return _MISSING
    return node
