"""``identity: {type: wso2_jwt}``: the JWT that the gateway signs for backends says who called."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sidecar.accept.identity import ASSERTION, MAX_APPLICATION, Caller, Headers, Peer, Unidentified, base_path
from sidecar.model.errors import ProblemError
from sidecar.model.jwt import KeySet, KeyUnknown, TokenRefused, expiry, verify
from sidecar.model.problems import Problem

MAX_VERIFIED = 4096
"""Tokens that are remembered: a gateway sends the same one with every request of one access token."""

KEYS_UNAVAILABLE = Problem(
    503,
    "gateway_keys_unavailable",
    "The gateway's keys cannot be read just now, so nobody can be identified; repeat in a few seconds.",
    headers={"retry-after": "5"},
)


class Keyring(Protocol):
    """The gateway's public keys, kept up by somebody else."""

    keys: KeySet | None
    generation: int
    away: bool

    async def refresh(self) -> bool:
        """Look at the keys anew, unless somebody has just done so; False when too many wait for that already."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is believed, and where it stands. ``leeway`` is seconds.

    ``application`` and ``dialect`` name claims: WSO2 puts its dialect, a URI, and a slash in front of each.
    """

    issuer: str
    application: str = "applicationid"
    dialect: str = "http://wso2.org/claims"
    leeway: float = 60.0

    def name(self, claim: str) -> str:
        """Name a claim in full."""
        return f"{self.dialect.rstrip('/')}/{claim}" if self.dialect else claim


class BackendJwt:
    """Believe what a signed token says, and nothing else: the headers ``x-api-*`` are not looked at.

    Args:
        header: The header that carries the token. It travels on, as services may want it.
        claims: What is believed.
        keyring: Whose signatures are believed.
        clock: Unix time in seconds.
    """

    verifies = True

    def __init__(
        self, header: str, claims: Claims, *, keyring: Keyring, clock: Callable[[], float] = time.time
    ) -> None:
        self._name = header.lower()
        self._claims = claims
        self._keyring = keyring
        self._clock = clock
        self._application = claims.name(claims.application)
        self._context = claims.name("apicontext")
        self._key_type = claims.name("keytype")
        self._verified: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._generation = 0
        self.withheld = frozenset({ASSERTION} - {self._name})

    def identify(self, headers: Headers, peer: Peer) -> Caller:  # noqa: ARG002 - the token is all the proof
        """Verify the token, or recognise one that was verified before."""
        given = headers.get(self._name, ())
        if len(given) != 1:
            raise Unidentified("two_tokens" if given else "no_token")
        now = self._clock()
        if self._generation != self._keyring.generation:  # a key may be gone, and with it what it has signed
            self._verified.clear()
            self._generation = self._keyring.generation
        digest = hashlib.sha256(given[0]).digest()
        known = self._verified.get(digest)
        if known is not None and known[0] > now:
            self._verified.move_to_end(digest)
            return known[1]
        until, caller = self._verify(given[0], now)
        self._verified[digest] = (until, caller)
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)
        return caller

    async def identify_anew(self, headers: Headers, peer: Peer) -> Caller:
        """Look at the keys, and verify again. A key that is unknown then is nobody's, if the keys could be read."""
        if not await self._keyring.refresh():
            raise ProblemError(KEYS_UNAVAILABLE)
        try:
            return self.identify(headers, peer)
        except KeyUnknown:
            if self._keyring.keys is None or self._keyring.away:
                raise ProblemError(KEYS_UNAVAILABLE) from None
            raise Unidentified("key_unknown") from None

    def _verify(self, token: bytes, now: float) -> tuple[float, Caller]:
        believed, keys = self._claims, self._keyring.keys
        if keys is None:
            raise KeyUnknown
        try:
            claims = verify(token, keys, issuer=believed.issuer, now=now, leeway=believed.leeway)
            return expiry(claims) + believed.leeway, self._caller(claims)
        except TokenRefused as refused:
            raise Unidentified(str(refused)) from None

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        application = _text(claims, self._application)
        if not application:
            raise TokenRefused("no_application")
        return Caller(
            application=application,
            context=base_path(_text(claims, self._context)),
            sandbox=_text(claims, self._key_type).upper() == "SANDBOX",
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if len(text) > MAX_APPLICATION or not text.isprintable():
        raise TokenRefused("claims")
    return text.strip()
