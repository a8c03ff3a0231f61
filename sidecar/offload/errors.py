"""What can go wrong with the object store.

OffloadError
├── OffloadUnavailable  the store is away, overloaded or too slow: the same call may work later
├── OffloadRefused      the store answered and said no: repeating cannot help, somebody has to change something
└── OffloadCorrupt      the bytes in the store are not those that were put there
"""

from sidecar.model.errors import SidecarError


class OffloadError(SidecarError):
    """The object store did not do what it was asked."""


class OffloadUnavailable(OffloadError):  # noqa: N818 - named for the state it reports
    """The store is away, or its answer was lost: a write may or may not have happened."""


class OffloadRefused(OffloadError):  # noqa: N818 - named for the state it reports
    """The store said no.

    ``code`` is S3's own word for it, such as ``AccessDenied`` or ``NoSuchKey``; ``status`` is the HTTP status, 0 when
    no request was sent at all.
    """

    def __init__(self, message: str, *, code: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class OffloadCorrupt(OffloadError):  # noqa: N818 - named for the state it reports
    """A stored body is cut off, damaged, or larger than its record says."""
