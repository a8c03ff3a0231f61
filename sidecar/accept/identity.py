"""Who speaks to the gateway listener: only a verified gateway may say which application called."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem

UNIDENTIFIED = Problem(401, "unauthorized", "Only the API gateway may call this listener; it did not identify itself.")


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified gateway says of a request; all empty when nobody can be believed."""

    application: str = ""
    context: str = ""
    sandbox: bool = False


class Identity(Protocol):
    """A way to verify the gateway."""

    @property
    def header(self) -> str | None:
        """The header that carries the proof; it never travels on."""

    @property
    def verifies(self) -> bool:
        """Whether what the gateway says is to be believed."""

    def check(self, headers: Mapping[str, Sequence[bytes]]) -> None:
        """Raise a 401 problem unless the gateway proved itself."""


class NoIdentity:
    """``identity: {type: none}``: anybody may call, and nobody is believed."""

    header: str | None = None
    verifies = False

    def check(self, headers: Mapping[str, Sequence[bytes]]) -> None:
        """Let everybody in."""


class SharedSecret:
    """``identity: {type: shared_secret}``: a header that only the gateway can set."""

    verifies = True

    def __init__(self, header: str, secret: str) -> None:
        self.header: str | None = header.lower()
        self._name = header.lower()
        self._secret = secret.encode()

    def check(self, headers: Mapping[str, Sequence[bytes]]) -> None:
        """Compare in constant time; exactly one value must be there."""
        given = headers.get(self._name, ())
        if len(given) != 1 or not hmac.compare_digest(given[0], self._secret):
            raise ProblemError(UNIDENTIFIED)


def caller_of(identity: Identity, headers: Mapping[str, Sequence[bytes]]) -> Caller:
    """Verify the gateway and read what it says of the caller.

    Raises:
        ProblemError: 401; 400 when what the gateway says is not to be understood.
    """
    identity.check(headers)
    if not identity.verifies:
        return Caller()
    return Caller(
        application=_one(headers, "x-api-application"),
        context=_path(_one(headers, "x-api-context")),
        sandbox=_one(headers, "x-api-key-type").upper() == "SANDBOX",
    )


def _one(headers: Mapping[str, Sequence[bytes]], name: str) -> str:
    values = headers.get(name)
    if not values:
        return ""
    try:
        (value,) = values  # with two of them, nobody knows which one the gateway has set
        return value.decode().strip()
    except ValueError:
        detail = f"The header {name} must be there once at most, as UTF-8."
        raise ProblemError(Problem(400, "header_invalid", detail)) from None


def _path(context: str) -> str:
    return "/" + context.strip("/") if context.strip("/") else ""
