"""The record of a body in the store."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.stored import StoredObject

STORED = StoredObject("results", "a/b", 10, b"\x01" * 32, 5, b"\xfe" * 32, "gzip", '"abc"')


@given(
    st.builds(
        StoredObject,
        bucket=st.text(max_size=20), key=st.text(max_size=50), size=st.integers(0, 2**62),
        sha256=st.binary(max_size=32), stored_size=st.integers(0, 2**62), stored_sha256=st.binary(max_size=32),
        coding=st.sampled_from(["gzip", "zstd", None]), etag=st.text(max_size=40),
    )
)  # fmt: skip
def test_it_survives_its_document(stored: StoredObject) -> None:
    assert StoredObject.load(stored.dump()) == stored


def test_fields_of_a_later_version_are_passed_over() -> None:
    document = orjson.dumps({**orjson.loads(STORED.dump()), "tier": "cold"})
    assert StoredObject.load(document) == STORED


@pytest.mark.parametrize("change", [{"coding": "br"}, {"size": None}, {"sha256": "xyz"}, {"etag": ...}])
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    fields = {**orjson.loads(STORED.dump()), **change}
    document = orjson.dumps({name: value for name, value in fields.items() if value is not ...})
    with pytest.raises(ValueError, match=r".+"):
        StoredObject.load(document)


def test_only_what_the_store_decodes_has_a_content_encoding() -> None:
    assert STORED.content_encoding == "gzip"
    assert StoredObject("b", "k.gz", 1, b"", 1, b"", "gzip", "").content_encoding is None
    assert StoredObject("b", "k.gz", 1, b"", 1, b"", None, "").content_encoding is None
