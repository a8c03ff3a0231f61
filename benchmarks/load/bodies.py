"""What travels: bodies that name their job, so that a wrong, lost or doubled one is seen."""

IDENT = 16  # characters of a job's number
_REQUEST = b'{"request":"'
_RESULT = b'{"result": "'
_FILLER = b'","lines":['
_LINE = b'{"sku":"4711-0815","quantity":12,"price":"19.90","currency":"EUR"},'
_END = b'{"more":false}]}'


def request_body(ident: bytes, size: int) -> bytes:
    """Build what the caller sends: JSON of exactly ``size`` bytes."""
    return _body(_REQUEST, ident, size)


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
    lines, spaces = divmod(room, len(_LINE))
    return b"".join((kind, ident, _FILLER, _LINE * lines, b" " * spaces, _END))
