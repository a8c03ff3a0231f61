"""The named tokens of the admin listener."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.model.audit import Actor

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A bearer token (RFC 6750): its name is who acts, its role what they may."""

    name: str
    role: str
    token: str = field(repr=False)


class Tokens:
    """Knows who somebody is by what they show."""

    def __init__(self, tokens: Sequence[NamedToken] = ()) -> None:
        self._tokens = [(token.token.encode(), Actor(token.name, token.role)) for token in tokens]
        self._names = {token.name: token for token in tokens}

    def of_header(self, authorization: str) -> Actor | None:
        """Tell who sends an ``Authorization`` header; None when nobody is known by it."""
        scheme, _, given = authorization.partition(" ")
        return self.of_token(given.strip()) if scheme.lower() == "bearer" else None

    def of_token(self, given: str) -> Actor | None:
        """Tell whose token it is; as long as it takes for any other."""
        shown = given.encode("utf-8", "surrogateescape")
        found: Actor | None = None
        for token, actor in self._tokens:
            if hmac.compare_digest(token, shown):
                found = actor
        return found

    def named(self, name: str) -> NamedToken | None:
        """Find a token by its name; None when it was removed."""
        return self._names.get(name)
