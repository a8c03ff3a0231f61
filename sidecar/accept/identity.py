"""Who speaks to the gateway listener: only a verified gateway may say which application called."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol

from sidecar.kit.value_class import value_class
from sidecar.model.errors import ProblemError
from sidecar.model.jwt import KeyUnknown
from sidecar.model.problems import Problem

Headers = Mapping[str, Sequence[bytes]]
Peer = frozenset[str] | None
"""The names that the client's certificate bears; ``None`` when it has shown none that is believed."""

ASSERTION = "x-jwt-assertion"
MAX_APPLICATION = 255  # characters

_DETAIL = "Only the API gateway may call this listener; it did not identify itself."


class Unidentified(ProblemError):  # noqa: N818 - named for the state it reports
    """401: nobody proved to be the gateway. ``reason`` is one word for the log, and never told to the client."""

    def __init__(self, reason: str) -> None:
        super().__init__(Problem(401, "unauthorized", _DETAIL))
        self.reason = reason


@value_class
class Caller:
    """What a verified gateway says of a request; all empty when nobody can be believed."""

    application: str = ""
    context: str = ""
    sandbox: bool = False


class Identity(Protocol):
    """A way to verify the gateway."""

    @property
    def verifies(self) -> bool:
        """Whether anybody is verified at all: without that, nobody is told apart."""

    @property
    def withheld(self) -> frozenset[str]:
        """Headers that never travel on: a proof that is secret, and assertions that nobody verified."""

    def identify(self, headers: Headers, peer: Peer) -> Caller:
        """Verify the gateway, and read what it says of the caller.

        Raises:
            ProblemError: 401; 400 when what the gateway says is not to be understood.
            KeyUnknown: It takes a look at the gateway's keys: ask :meth:`identify_anew`.
        """

    async def identify_anew(self, headers: Headers, peer: Peer) -> Caller:
        """Verify the gateway after a look at its keys.

        Raises:
            ProblemError: As :meth:`identify`; 503 while the keys cannot be read.
        """


class _Settled:
    """An identity that needs no keys of others."""

    async def identify_anew(self, headers: Headers, peer: Peer) -> Caller:
        """Never asked."""
        raise NotImplementedError


class NoIdentity(_Settled):
    """``identity: {type: none}``: anybody may call, and nobody is believed."""

    verifies = False
    withheld = frozenset({ASSERTION})

    def identify(self, headers: Headers, peer: Peer) -> Caller:  # noqa: ARG002 - nothing is looked at
        """Let everybody in, unnamed."""
        return Caller()


class SharedSecret(_Settled):
    """``identity: {type: shared_secret}``: a header that only the gateway can set. While it changes, there are two."""

    verifies = True

    def __init__(self, header: str, secrets: Sequence[str]) -> None:
        self._name = header.lower()
        self._secrets = [secret.encode() for secret in secrets]
        self.withheld = frozenset({self._name})

    def identify(self, headers: Headers, peer: Peer) -> Caller:  # noqa: ARG002 - the secret is all the proof
        """Compare in constant time; exactly one value must be there."""
        given = headers.get(self._name, ())
        known = False
        if len(given) == 1:
            for secret in self._secrets:
                known |= hmac.compare_digest(given[0], secret)
        if not known:
            raise Unidentified("secret" if given else "no_secret")
        return told_by_headers(headers)


class ClientCertificate(_Settled):
    """``identity: {type: mtls}``: a client certificate of a believed authority.

    Args:
        names: The certificate must bear one of these; without any, every certificate of the authority will do.
    """

    verifies = True
    withheld: frozenset[str] = frozenset()

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def identify(self, headers: Headers, peer: Peer) -> Caller:
        """Look at the certificate that TLS has verified."""
        if peer is None:
            raise Unidentified("no_certificate")
        if self._names and self._names.isdisjoint(peer):
            raise Unidentified("certificate_name")
        return told_by_headers(headers)


async def caller_of(identity: Identity, headers: Headers, peer: Peer) -> Caller:
    """Verify the gateway and read what it says of the caller.

    Raises:
        ProblemError: 401; 400 when what the gateway says is not to be understood; 503 when nobody can tell now.
    """
    try:
        return identity.identify(headers, peer)
    except KeyUnknown:
        return await identity.identify_anew(headers, peer)


def told_by_headers(headers: Headers) -> Caller:
    """Read the headers that a verified gateway has set.

    Raises:
        ProblemError: 400.
    """
    application = _one(headers, "x-api-application")
    if len(application) > MAX_APPLICATION:
        detail = f"The header x-api-application may have at most {MAX_APPLICATION} characters."
        raise ProblemError(Problem(400, "header_invalid", detail))
    return Caller(
        application=application,
        context=base_path(_one(headers, "x-api-context")),
        sandbox=_one(headers, "x-api-key-type").upper() == "SANDBOX",
    )


def base_path(context: str) -> str:
    """Render an API's context as a path to put in front of others."""
    return "/" + context.strip("/") if context.strip("/") else ""


def _one(headers: Headers, name: str) -> str:
    values = headers.get(name)
    if not values:
        return ""
    try:
        (value,) = values  # with two of them, nobody knows which one the gateway has set
        return value.decode().strip()
    except ValueError:
        detail = f"The header {name} must be there once at most, as UTF-8."
        raise ProblemError(Problem(400, "header_invalid", detail)) from None
