"""Results that lie in the object store, as their owner fetches them: by a fresh link, or through us."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing

from aiohttp import web

from sidecar.accept.view import Download
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError, OffloadRefused
from sidecar.offload.store import ObjectStore

GONE = Problem(410, "result_gone", "The result is no longer kept.")
AWAY = Problem(
    503, "storage_unavailable", "The object store is away; ask again in a few seconds.", {"retry-after": "5"}
)
BAD_RANGE = Problem(416, "range_invalid", "The result has no such range; ask without Range.")
_GONE_STATUSES = frozenset({404, 412})  # another object under the key is not the result either
_RANGE_STATUS = 416


class Downloads:
    """Answer with a link, or with the bytes.

    Args:
        store: Where results lie.
        proxy: Whether the bytes pass through us; else the client is sent to the store.
    """

    def __init__(self, store: ObjectStore, *, proxy: bool) -> None:
        self._store = store
        self._proxy = proxy

    async def answer(self, request: web.BaseRequest, download: Download) -> web.StreamResponse:
        """Answer one request for a result.

        Raises:
            ProblemError: 410 when the object is gone, 416, 503 when the store is away.
        """
        try:
            if not self._proxy or request.method == "HEAD":
                head = await self._store.head(download.stored.key, bucket=download.stored.bucket)
                if head is None:
                    raise ProblemError(GONE)
            if not self._proxy:
                return await self._redirect(download)
        except OffloadError as error:
            raise ProblemError(AWAY) from error
        if plain(download.stored, request.headers.get("accept-encoding", "")):
            return await self._decoded(request, download)
        return await self._raw(request, download)

    async def _redirect(self, download: Download) -> web.StreamResponse:
        link = await self._store.presign_get(download.stored)
        headers = {name: value for name, value in download.headers.items() if not name.startswith("content-")}
        return web.Response(status=303, headers={**headers, "location": link.url})

    async def _raw(self, request: web.BaseRequest, download: Download) -> web.StreamResponse:
        """Pass the store's bytes on as they are, or a range of them."""
        stored = download.stored
        headers = {**download.headers, "accept-ranges": "bytes", "etag": stored.etag, "vary": "accept-encoding"}
        if stored.coding is not None:
            headers["content-encoding"] = stored.coding
        if request.method == "HEAD":
            return _head(headers, stored.stored_size)
        # A condition on the range that we cannot check is taken to fail (RFC 9110, section 13.1.5).
        wanted = request.headers.get("range") if "if-range" not in request.headers else None
        async with AsyncExitStack() as stack:
            try:
                raw = await stack.enter_async_context(self._store.read_raw(stored, byte_range=wanted))
            except OffloadError as error:
                raise ProblemError(_problem_of(error)) from error
            if raw.content_range is not None:
                headers["content-range"] = raw.content_range
            headers["content-length"] = str(raw.length)
            status = 200 if raw.content_range is None else 206
            return await _send(request, status, headers, raw.chunks())

    async def _decoded(self, request: web.BaseRequest, download: Download) -> web.StreamResponse:
        """Unpack for a client that does not."""
        stored = download.stored
        headers = {**download.headers, "accept-ranges": "none", "vary": "accept-encoding"}
        if request.method == "HEAD":
            return _head(headers, stored.size)
        headers["content-length"] = str(stored.size)
        async with aclosing(self._store.read(stored)) as pieces:
            try:
                first = await anext(pieces, b"")
            except OffloadError as error:
                raise ProblemError(_problem_of(error)) from error
            return await _send(request, 200, headers, pieces, first=first)


def plain(stored: StoredObject, accepted: str) -> bool:
    """Tell whether a body that we compressed must be unpacked for a client (RFC 9110, section 12.5.3)."""
    if stored.coding is None:
        return False
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        refused = weight.replace(" ", "").rstrip("0") in {"q=", "q=0."}
        if name.strip() == stored.coding and not refused:
            return False
    return True


async def _send(
    request: web.BaseRequest,
    status: int,
    headers: Mapping[str, str],
    pieces: AsyncGenerator[bytes, None],
    *,
    first: bytes = b"",
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    if first:
        await response.write(first)
    async with aclosing(pieces):
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


def _head(headers: Mapping[str, str], length: int) -> web.StreamResponse:
    return web.Response(headers={**headers, "content-length": str(length)})


def _problem_of(error: OffloadError) -> Problem:
    if isinstance(error, OffloadRefused):
        if error.status in _GONE_STATUSES or error.code == "NoSuchKey":
            return GONE
        if error.status == _RANGE_STATUS:
            return BAD_RANGE
    return AWAY
