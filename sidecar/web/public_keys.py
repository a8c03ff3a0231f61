"""``GET /_keys``: the public keys by which webhooks verify signatures. They are nobody's secret."""

from typing import Protocol

from aiohttp import web

PATH = "/_keys"
_NOT_MODIFIED = 304
_CACHE = "public, max-age=300"


class PublicKeys(Protocol):
    """Where they are."""

    def document(self) -> tuple[bytes, str]:
        """Render the keys in use as a JWK set, and tell its entity tag."""


def asks_for_keys(request: web.BaseRequest) -> bool:
    """Tell whether a request asks for the keys; the gateway may put the base path of an API in front."""
    return request.path.endswith(PATH) and request.method in {"GET", "HEAD"}


def keys_response(request: web.BaseRequest, keys: PublicKeys, correlation_id: str) -> web.Response:
    """Answer with the keys, or that they are still the same (RFC 9110, 13.1.2)."""
    body, tag = keys.document()
    headers = {"cache-control": _CACHE, "etag": tag, "x-correlation-id": correlation_id}
    if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
        return web.Response(status=_NOT_MODIFIED, headers=headers)
    return web.Response(body=body, content_type="application/jwk-set+json", headers=headers)
