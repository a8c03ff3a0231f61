"""An aggregate with all its bodies inside, rendered in pieces."""

from base64 import b64encode

import orjson
import pytest

from sidecar.model.delivery import Part
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.whole_aggregate import Piece, size_of, whole_aggregate
from tests.unit.builders import JOB, NOW, make_stored

CSV = b"content-type: text/csv\r\ncontent-encoding: br"


def make_part(service: str, body: bytes, **over: bytes) -> Part:
    stored, headers = over.get("stored"), over.get("headers", b"content-type: application/json")
    return Part(service, "result", ResultStatus.SUCCEEDED, MessageKind.DIRECT, None, headers, body, NOW, stored)


def render(*parts: Part) -> list[Piece]:
    return whole_aggregate(job_id=JOB, correlation_id="c-1", status="succeeded", parts=parts)


def joined(pieces: list[Piece], bodies: dict[str, bytes]) -> bytes:
    return b"".join(
        piece.text + (b64encode(bodies[piece.body.key]) if piece.body is not None else b"") for piece in pieces
    )


@pytest.mark.parametrize("length", range(4))
def test_stored_bodies_stand_inside_where_links_would(length: int) -> None:
    large = b"x" * length
    parts = (
        make_part("a", b"[1]"),
        make_part("b", b"", stored=make_stored(large, key="b", coding="gzip").dump(), headers=CSV),
        make_part("c", b"", stored=make_stored(large, key="c", coding=None).dump(), headers=CSV),
        make_part("d", b"[2]"),
    )
    pieces = render(*parts)
    text = joined(pieces, {"b": large, "c": large})
    assert len(text) == size_of(pieces)
    document = orjson.loads(text)
    assert (document["type"], document["job_id"], document["status"]) == ("aggregate_result", str(JOB), "succeeded")
    a, b, c, d = document["results"]
    assert (a["body"], d["body"]) == ([1], [2])
    assert [part["body_base64"] for part in (b, c)] == [b64encode(large).decode()] * 2
    assert (b["size"], b["sha256"], b["content_type"]) == (length, make_stored(large).sha256.hex(), "text/csv")
    assert not {"download", "stored_size"} & set(b)
    assert ("content_encoding" in b, c["content_encoding"]) == (False, "br")


def test_without_stored_bodies_it_is_one_piece() -> None:
    (piece,) = render(make_part("a", b"[1]"), make_part("b", b"no json"))
    assert piece.body is None
    assert [part["service"] for part in orjson.loads(piece.text)["results"]] == ["a", "b"]
