"""Who is signed in: a signed cookie, so that any replica may answer the next request.

The key comes from the token that was shown: whoever has another token cannot make a cookie for it, and a token that is
replaced or removed ends the sessions it began.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe

from sidecar.model.audit import Actor
from sidecar.web.tokens import NamedToken, Tokens

COOKIE = "sidecar_console"
LIFE = 3600.0
"""Seconds that a session lasts after the last page; a page in its second half renews it."""
MAX_COOKIE = 512


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. ``csrf`` has to come with every form."""

    actor: Actor
    cookie: str
    expires: float  # seconds since 1970
    csrf: str

    def half_over(self, now: float) -> bool:
        """Tell whether it is time to renew it."""
        return self.expires - now < LIFE / 2


class Sessions:
    """Begins sessions, and knows them again."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def begin(self, actor: Actor, *, now: float) -> Session | None:
        """Sign somebody in; None when their token is gone."""
        token = self._tokens.named(actor.name)
        if token is None:
            return None
        name = urlsafe_b64encode(actor.name.encode()).decode().rstrip("=")
        signed = f"{name}.{int(now + LIFE)}.{token_urlsafe(12)}"
        return self.resume(f"{signed}.{_sign(token, 'session', signed)}", now=now)

    def resume(self, cookie: str, *, now: float) -> Session | None:
        """Know somebody by their cookie; None when it is none of ours, or is over."""
        signed, _, signature = cookie.rpartition(".")
        name, _, rest = signed.partition(".")
        expires = rest.partition(".")[0]
        token = self._tokens.named(_name(name))
        if token is None or len(cookie) > MAX_COOKIE or not expires.isascii() or not expires.isdigit():
            return None
        known = hmac.compare_digest(_sign(token, "session", signed).encode(), signature.encode())
        if not known or float(expires) < now:
            return None
        return Session(Actor(token.name, token.role), cookie, float(expires), _sign(token, "csrf", signed))


def _name(text: str) -> str:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (Error, ValueError):
        return ""


def _sign(token: NamedToken, purpose: str, text: str) -> str:
    key = hmac.digest(token.token.encode(), f"console {purpose}".encode(), sha256)
    return urlsafe_b64encode(hmac.digest(key, text.encode(), sha256)).decode().rstrip("=")
