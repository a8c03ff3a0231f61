"""The error tree.

SidecarError
├── ConfigError            settings or routes that cannot be served
├── KeysUnavailable        the public keys of the gateway cannot be read now
├── ProblemError           a request that gets a problem+json answer
└── LedgerError
    ├── LedgerUnavailable  the database is away; nothing was stored, or nobody knows
    │   └── NotStored      the database is away, and certainly nothing was stored
    └── LedgerRejected     the database refused this very row (bad data); others are unharmed
"""

from sidecar.model.problems import Problem


class SidecarError(Exception):
    """The root of every error that this project raises on purpose."""


class ConfigError(SidecarError):
    """The settings cannot be served; the message names the setting and the remedy."""


class KeysUnavailable(SidecarError):  # noqa: N818 - named for the state it reports
    """The public keys of the gateway cannot be read now."""


class ProblemError(SidecarError):
    """A request that is answered with a problem document.

    The problem's ``detail`` never holds a value that the client sent: only names and remedies.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class LedgerError(SidecarError):
    """The ledger did not do what it was asked."""


class LedgerUnavailable(LedgerError):  # noqa: N818 - named for the state it reports
    """The database is away, or its answer was lost: the write may or may not have happened."""


class NotStored(LedgerUnavailable):
    """The database is away, and certainly nothing was stored."""


class LedgerRejected(LedgerError):  # noqa: N818 - named for the state it reports
    """The database refused this row for its data (SQLSTATE class 22 or 23)."""
