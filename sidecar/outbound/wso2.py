"""WSO2 gateways answer 500 when the backend behind them is silent; the body's code tells that from a real 500."""

import re
from typing import Any

import orjson

_SERVER_ERROR = 500
_TRANSPORT_FAULTS = range(101500, 101600)  # sender I/O, connect, connection closed, time-outs
_ENDPOINT_SUSPENDED = 303001
_XML_CODE = re.compile(rb"<(?:\w+:)?code>\s*(\d{6})\s*</")


def wso2_fault(status: int, body: bytes) -> bool:
    """Tell whether an answer means that a WSO2 gateway could not reach what is behind it.

    Known forms: ``{"code": "101503", ...}``, the older ``{"fault": {"code": 101503, ...}}``, and
    ``<am:fault><am:code>101503</am:code>...``.
    """
    return status == _SERVER_ERROR and _is_fault(fault_code(body))


def _is_fault(code: int | None) -> bool:
    return code is not None and (code in _TRANSPORT_FAULTS or code == _ENDPOINT_SUSPENDED)


def fault_code(body: bytes) -> int | None:
    """Read the code of a WSO2 gateway's own answer; None when it has none."""
    start = body.lstrip()[:1]
    if start == b"<":
        found = _XML_CODE.search(body)
        return int(found[1]) if found else None
    if start != b"{":
        return None
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    fault = document.get("fault")
    code = (fault if isinstance(fault, dict) else document).get("code")
    if isinstance(code, str) and code.isascii() and code.isdecimal():
        return int(code)
    return code if isinstance(code, int) else None
