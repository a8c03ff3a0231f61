"""What the store is told of an object's content."""

import pytest

from sidecar.offload.forward import content_headers
from sidecar.offload.presentation import as_attachment, named_attachment, object_parameters


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "attachment"),
        ("inline", "attachment"),
        ("inline; filename=report.pdf", "attachment; filename=report.pdf"),
        ('attachment; filename="a b.csv"', 'attachment; filename="a b.csv"'),
        ("attachment;", "attachment"),
        ("attachment; filename=\u00fc.pdf", "attachment"),
        ("attachment; filename=a\r\nset-cookie: b", "attachment"),
    ],
)
def test_a_download_is_always_an_attachment(given: str | None, said: str) -> None:
    assert as_attachment(given) == said


def test_a_name_that_is_not_ascii_is_given_in_both_ways() -> None:
    assert named_attachment("a.json") == 'attachment; filename="a.json"'
    assert named_attachment('\u00fc"/.json') == "attachment; filename=\"___.json\"; filename*=UTF-8''%C3%BC%22%2F.json"


def test_a_compressed_body_keeps_its_type_and_tells_its_encoding() -> None:
    told = object_parameters(
        content_type="text/csv", content_disposition=None, content_encoding=None, coding="gzip", file=False
    )
    assert told == {"ContentType": "text/csv", "ContentDisposition": "attachment", "ContentEncoding": "gzip"}


def test_a_compressed_file_is_a_file_of_that_type_and_has_no_encoding() -> None:
    told = object_parameters(
        content_type="text/csv", content_disposition="inline; filename=a.csv", content_encoding=None, coding="zstd",
        file=True,
    )  # fmt: skip
    assert told == {"ContentType": "application/zstd", "ContentDisposition": "attachment"}


def test_a_body_that_came_compressed_keeps_its_own_encoding() -> None:
    told = object_parameters(content_type=None, content_disposition=None, content_encoding="br", coding=None, file=True)
    assert told["ContentEncoding"] == "br"
    assert told["ContentType"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("X-Amz-SignedHeaders=host&X-Amz-Signature=x", {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        ("X-Goog-SignedHeaders=host", {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        ("AWSAccessKeyId=a&Signature=s&Expires=1", {}),
        ("", {}),
    ],
)
def test_content_headers_go_only_where_the_signature_lists_its_headers(query: str, sent: dict[str, str]) -> None:
    url = f"https://bucket.example/key?{query}"
    assert content_headers(url, content_type="text/csv", content_encoding="gzip") == sent
