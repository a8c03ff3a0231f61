"""A gateway's signed tokens (JWS in compact form, RFC 7515; JWT, RFC 7519), checked with public keys (RFC 7517).

What the token itself says of its key (``jku``, ``jwk``, ``x5u``, ``x5c``) is never used, and no algorithm with a
shared secret or none is known here: a public key cannot be taken for a secret (RFC 8725, sections 2.1 and 3.1).
"""

import math
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

MAX_TOKEN: Final = 64 * 1024  # bytes
MAX_KEYS: Final = 256
MIN_RSA_BITS: Final = 2048

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_ALGORITHMS: Final = {
    name: algorithm
    for name, algorithm in get_default_algorithms().items()
    if name in {*_RSA, *_CURVES.values(), "EdDSA"}
}
_PLAIN: Final = bytes.maketrans(b"-_", b"+/")
# Older gateways write milliseconds. As seconds they would be after the year 5000.
_MILLISECONDS: Final = 1e11


class TokenRefused(ValueError):  # noqa: N818 - named for what became of it
    """The token proves nothing; the text is one word that says why, for the log."""


class KeyUnknown(ValueError):  # noqa: N818 - named for the state it reports
    """The token names a key that is not known here; it may be a new one."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, and the algorithms that it may be used with."""

    key: Any
    algorithms: frozenset[str]


KeySet = Mapping[str, Sequence[PublicKey]]
"""Public keys by their id (``kid``); an id can stand for several, one for each algorithm."""


def parse_keys(document: bytes) -> dict[str, list[PublicKey]]:
    """Read a set of keys (JWKS). Keys without an id, for encryption, secret, short or of an unknown kind are left out.

    Raises:
        ValueError: It is no such document, or holds no key that can be used.
    """
    try:
        listed = orjson.loads(document)["keys"][:MAX_KEYS]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ValueError("is no set of keys (JWKS)") from None
    found: dict[str, list[PublicKey]] = {}
    for jwk in listed:
        key = _parse_key(jwk) if isinstance(jwk, dict) else None
        if key is not None:
            found.setdefault(jwk["kid"], []).append(key)
    if not found:
        raise ValueError("holds no public key with a kid that can be used")
    return found


def verify(token: bytes, keys: KeySet, *, issuer: str, now: float, leeway: float) -> dict[str, Any]:
    """Check signature, issuer and times of a token, and return its claims.

    Base64 is taken in both alphabets, with and without padding: gateways of WSO2 use the plain one by default.

    Args:
        token: The token as it came.
        keys: Whose signatures are believed.
        issuer: What ``iss`` must be.
        now: Unix time in seconds.
        leeway: Seconds by which clocks may differ.

    Raises:
        KeyUnknown: It names a key that is not among ``keys``.
        TokenRefused: Anything else is wrong.
    """
    parts = token.split(b".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise TokenRefused("malformed")
    header = _object(parts[0])
    name, key_id = header.get("alg"), header.get("kid")
    algorithm = _ALGORITHMS.get(name) if isinstance(name, str) else None
    if algorithm is None or "crit" in header:
        raise TokenRefused("algorithm")
    if not isinstance(key_id, str) or not key_id:
        raise TokenRefused("no_key_id")
    if key_id not in keys:
        raise KeyUnknown
    signed, signature = parts[0] + b"." + parts[1], _decode(parts[2])
    fitting = [known.key for known in keys[key_id] if name in known.algorithms]
    if not any(algorithm.verify(signed, key, signature) for key in fitting):
        raise TokenRefused("signature")
    claims = _object(parts[1])
    if claims.get("iss") != issuer:
        raise TokenRefused("issuer")
    if expiry(claims) <= now - leeway:
        raise TokenRefused("expired")
    if _time(claims.get("nbf", 0)) > now + leeway:
        raise TokenRefused("not_yet_valid")
    return claims


def expiry(claims: Mapping[str, Any]) -> float:
    """Tell when a token expires, in Unix seconds.

    Raises:
        TokenRefused: It does not say so.
    """
    return _time(claims.get("exp"))


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused("times")
    return value / 1000 if value > _MILLISECONDS else float(value)


def _object(part: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(_decode(part))
    except orjson.JSONDecodeError:
        raise TokenRefused("malformed") from None
    if not isinstance(found, dict):
        raise TokenRefused("malformed")
    return found


def _decode(part: bytes) -> bytes:
    bare = part.rstrip(b"=").translate(_PLAIN)
    try:
        return b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise TokenRefused("malformed") from None


def _parse_key(jwk: dict[str, Any]) -> PublicKey | None:
    read: Callable[[dict[str, Any]], Any] | None = _READERS.get(str(jwk.get("kty")))
    if read is None or not isinstance(jwk.get("kid"), str) or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    try:
        key = read(jwk)
    except (PyJWTError, ValueError, TypeError):
        return None
    algorithms = _algorithms_of(key)
    if "alg" in jwk:
        algorithms &= {jwk["alg"]} if isinstance(jwk["alg"], str) else set()
    return PublicKey(key, algorithms) if algorithms else None


def _algorithms_of(key: object) -> frozenset[str]:
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return _RSA
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return frozenset({_CURVES[key.curve.name]})
    return frozenset({"EdDSA"}) if isinstance(key, Ed25519PublicKey) else frozenset()


_READERS: Final = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}
