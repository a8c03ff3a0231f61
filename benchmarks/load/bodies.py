"""What travels: bodies that name their job, so that a wrong, lost or doubled one is seen."""

from functools import lru_cache

IDENT = 16  # characters of a job's number
_REQUEST = b'{"request":"'
_RESULT = b'{"result": "'
_FILLER = b'","lines":['
_LINE = b'{"sku":"%04d-%04d","quantity":%d,"price":"%d.%02d","currency":"EUR"},'
_END = b'{"more":false}]}'
_VARIED = 9973
"""Lines differ from each other and from job to job, as orders do: what is repeated compresses better than life does."""


@lru_cache(maxsize=1024)
def request_body(ident: bytes, size: int) -> bytes:
    """Build what the caller sends: JSON of exactly ``size`` bytes."""
    return _body(_REQUEST, ident, size)


@lru_cache(maxsize=1024)
def result_body(ident: bytes, size: int) -> bytes:
    """Build what the service answers with: JSON of exactly ``size`` bytes."""
    return _body(_RESULT, ident, size)


def ident_of(body: bytes) -> bytes:
    """Find the job's number in a request or result."""
    return body[len(_REQUEST) : len(_REQUEST) + IDENT]


def request_message(ident: bytes, *, path: bytes, webhook: int, size: int) -> bytes:
    """Build the whole request of a caller whose webhook listens on the port ``webhook``."""
    return b"".join(
        (
            b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n" % path,
            b"accept: application/json\r\nuser-agent: Synapse-PT-HttpComponents-NIO\r\n",
            b"callback-url: http://127.0.0.1:%d/hooks/1.0/%s\r\n" % (webhook, ident),
            b"x-correlation-id: bench-%s\r\ncontent-length: %d\r\n\r\n" % (ident, size),
            request_body(ident, size),
        )
    )


def callback_message(ident: bytes, *, path: bytes, size: int) -> bytes:
    """Build the whole callback of the service."""
    head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (path, size) + result_body(ident, size)


def _body(kind: bytes, ident: bytes, size: int) -> bytes:
    room = size - len(kind) - IDENT - len(_FILLER) - len(_END)
    parts = [kind, ident, _FILLER]
    number = int(ident) * 31 + len(kind)
    while True:
        number = number * 7919 % _VARIED + 1
        line = _LINE % (number, number * 13 % 10_000, number % 39 + 1, number % 299 + 1, number * 7 % 100)
        if len(line) > room:
            break
        parts.append(line)
        room -= len(line)
    return b"".join((*parts, b" " * room, _END))
