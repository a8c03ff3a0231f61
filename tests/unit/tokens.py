"""Keys and tokens of a gateway, right ones and forged ones. Nothing here uses the code that reads them."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOW = 1_800_000_000.0
ISSUER = "wso2.org/products/am"
DIALECT = "http://wso2.org/claims"
CLAIMS = {
    "iss": ISSUER,
    "exp": int(NOW) + 900,
    "sub": "admin@carbon.super",
    f"{DIALECT}/applicationid": "12",
    f"{DIALECT}/applicationname": "DefaultApplication",
    f"{DIALECT}/apicontext": "/orders/1.0",
    f"{DIALECT}/keytype": "PRODUCTION",
}

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name, made once in a run."""
    assert name
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def number(value: int, size: int | None = None) -> str:
    return url64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def url64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def plain64(data: bytes) -> str:
    return b64encode(data).decode()


def jwk(key: Private, kid: str | None = "k1", **over: Any) -> dict[str, Any]:
    """The public half, as a gateway shows it."""
    found: dict[str, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        found = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
        found = {"kty": "EC", "crv": curve, "x": number(point.x, size), "y": number(point.y, size)}
    else:
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        found = {"kty": "OKP", "crv": "Ed25519", "x": url64(raw)}
    found |= {"use": "sig"} | ({} if kid is None else {"kid": kid}) | over
    return {name: value for name, value in found.items() if value is not None}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def signature(key: Private, alg: str, signed: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        hashed = SHA512() if alg.endswith("512") else SHA256()
        if alg.startswith("PS"):
            return key.sign(signed, padding.PSS(padding.MGF1(hashed), hashed.digest_size), hashed)
        return key.sign(signed, padding.PKCS1v15(), hashed)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        hashed = SHA512() if alg.endswith("512") else SHA256()
        size = (key.curve.key_size + 7) // 8
        return b"".join(n.to_bytes(size, "big") for n in decode_dss_signature(key.sign(signed, ec.ECDSA(hashed))))
    return key.sign(signed)


def token(
    claims: dict[str, Any] | bytes | None = None,
    *,
    key: Private | bytes | None = None,
    encode: Any = url64,
    header: dict[str, Any] | None = None,
    **over: Any,
) -> bytes:
    """A token that is in order, with what matters replaced; ``key`` as bytes makes a shared secret of them."""
    head = header if header is not None else {"typ": "JWT", "alg": "RS256", "kid": "k1", **over}
    head = {name: value for name, value in head.items() if value is not None}
    body = claims if isinstance(claims, bytes) else json.dumps(CLAIMS if claims is None else claims).encode()
    signed = f"{encode(json.dumps(head).encode())}.{encode(body)}".encode()
    if isinstance(key, bytes):
        proof = hmac.digest(key, signed, "sha256")
    else:
        proof = signature(key or rsa_key(), str(head.get("alg")), signed)
    return b".".join((signed, str(encode(proof)).encode()))


def claims(**over: Any) -> dict[str, Any]:
    """The claims, with some replaced; ``_name`` is a claim of WSO2's dialect, and ``None`` leaves one out."""
    changed = {(f"{DIALECT}/{name[1:]}" if name.startswith("_") else name): value for name, value in over.items()}
    return {name: value for name, value in (CLAIMS | changed).items() if value is not None}
