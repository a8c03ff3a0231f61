"""An aggregate with all its bodies inside, as it is put to the caller's own upload-url: rendered in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from sidecar.model.delivery import Part
from sidecar.model.messages import part_entry
from sidecar.model.stored import StoredObject


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text, and the stored body that follows it in base64, if there is one."""

    text: bytes
    body: StoredObject | None = None


def whole_aggregate(*, job_id: UUID, correlation_id: str, status: str, parts: Sequence[Part]) -> list[Piece]:
    """Render the document of ``gather: all`` without links, since it outlives them.

    A body that lies in the object store stands inside as ``body_base64``, whatever its type: nobody has checked that
    it is the JSON that it says it is.
    """
    head = orjson.dumps(
        {
            "type": "aggregate_result",
            "job_id": str(job_id),
            "correlation_id": correlation_id,
            "status": status,
        }
    )
    pieces = []
    text = head[:-1] + b',"results":['
    for place, part in enumerate(parts):
        text += b"," if place else b""
        if part.stored is None:
            text += orjson.dumps(part_entry(part, None))
        else:
            stored = StoredObject.load(part.stored)
            entry = {**_described(part, stored), "body_base64": ""}
            pieces.append(Piece(text + orjson.dumps(entry)[:-2], stored))
            text = b'"}'
    return [*pieces, Piece(text + b"]}")]


def size_of(pieces: Sequence[Piece]) -> int:
    """Tell how many bytes all of it is."""
    return sum(len(piece.text) + (0 if piece.body is None else -(-piece.body.size // 3) * 4) for piece in pieces)


def _described(part: Part, stored: StoredObject) -> dict[str, object]:
    entry = part_entry(part, {})
    told = ("service", "status", "content_type", "size", "sha256")
    found: dict[str, object] = {name: entry[name] for name in told}
    if entry["content_encoding"] is not None and stored.content_encoding is None:
        found["content_encoding"] = entry["content_encoding"]  # the sender's own; ours is undone on the way
    return found
