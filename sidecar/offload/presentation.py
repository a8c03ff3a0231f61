"""How an object presents itself to whoever downloads it; pure."""

from typing import Any, Final
from urllib.parse import quote

from sidecar.model.stored import Coding

DEFAULT_TYPE: Final = "application/octet-stream"
ATTACHMENT: Final = "attachment"
_FILE_TYPES: Final[dict[Coding, str]] = {"gzip": "application/gzip", "zstd": "application/zstd"}  # RFC 6713, RFC 8878


def object_parameters(
    *,
    content_type: str | None,
    content_disposition: str | None,
    content_encoding: str | None,
    coding: Coding | None,
    file: bool,
) -> dict[str, Any]:
    """Build what S3 is told of an object's content.

    A browser never shows it in place, whatever the sender wanted: it would run in the store's own origin.

    Args:
        content_type: The body's own type.
        content_disposition: The sender's wish, of which the file name is kept.
        content_encoding: How the sender compressed the body itself; then ``coding`` is ``None``.
        coding: How we compress it.
        file: Whether it is served as a compressed file instead of a compressed body.
    """
    if file and coding is not None:
        # The key ends in .gz or .zst, and so does the name under which it is saved, unless another is given.
        return {"ContentType": _FILE_TYPES[coding], "ContentDisposition": ATTACHMENT}
    encoding = coding or content_encoding
    return {
        "ContentType": content_type or DEFAULT_TYPE,
        "ContentDisposition": as_attachment(content_disposition),
        **({"ContentEncoding": encoding} if encoding else {}),
    }


def as_attachment(disposition: str | None) -> str:
    """Keep the parameters of a Content-Disposition, and make it an attachment (RFC 6266)."""
    _, semicolon, parameters = (disposition or "").partition(";")
    parameters = parameters.strip()
    if not semicolon or not parameters or not (parameters.isascii() and parameters.isprintable()):
        return ATTACHMENT
    return f"{ATTACHMENT}; {parameters}"


def named_attachment(filename: str) -> str:
    """Build a Content-Disposition that names the file (RFC 6266, 4.3; RFC 8187 for what is not ASCII)."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in filename)
    plain = plain.replace("\\", "_").replace('"', "_").replace("/", "_")
    value = f'{ATTACHMENT}; filename="{plain}"'
    return value if filename == plain else f"{value}; filename*=UTF-8''{quote(filename, safe='')}"
