import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.headers import content_block, decode_block, encode_block, media_type, onward_block

NAMES = st.text(alphabet=st.sampled_from("abcXYZ-09_!"), min_size=1)
# What a parser hands over: no line ends, no blanks at either end.
VALUES = st.text(alphabet=st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"])).map(str.strip)


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_a_block_gives_back_exactly_what_was_put_in(pairs: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in pairs]
    assert decode_block(encode_block(raw)) == pairs


def test_the_empty_block_has_no_headers() -> None:
    assert decode_block(b"") == []
    assert encode_block([]) == b""


def names(raw: list[tuple[bytes, bytes]], *, drop: set[str] | None = None) -> list[str]:
    return [name for name, _ in decode_block(onward_block(raw, drop=drop or set()))]


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "callback-url",
        "upload-url",
        "content-length",
        "expect",
        "host",
        "idempotency-key",
        "prefer",
        "traceparent",
        "x-async-sidecar",
        "x-correlation-id",
        "x-job-id",
        "x-original-callback-url",
        "x-original-idempotency-key",
        "x-api-context",
        "x-api-version",
        "x-api-application",
        "x-api-key-type",
    ],
)
def test_what_is_of_one_connection_or_made_anew_does_not_travel(name: str) -> None:
    assert names([(name.title().encode(), b"1"), (b"Accept", b"*/*")]) == ["Accept"]


@pytest.mark.parametrize(
    "name",
    ["authorization", "x-jwt-assertion", "cookie", "content-type", "content-encoding", "tracestate", "user-agent"],
)
def test_end_to_end_headers_travel_as_they_were_written(name: str) -> None:
    raw = [(name.title().encode(), b" a  b ".strip()), (name.encode(), b"second")]
    assert decode_block(onward_block(raw, drop=())) == [(name.title(), "a  b"), (name, "second")]


def test_headers_that_connection_names_are_of_one_connection_too() -> None:
    raw = [(b"Connection", b"close, X-Hop ,,"), (b"connection", b"x-other"), (b"x-hop", b"1"), (b"X-Other", b"2")]
    assert names([*raw, (b"x-end", b"3")]) == ["x-end"]


def test_connection_cannot_drop_what_is_added() -> None:
    raw = [(b"connection", b"x-async-sidecar, x-original-idempotency-key")]
    block = onward_block(raw, drop=(), more=[(b"x-async-sidecar", b"other")])
    assert decode_block(block) == [("x-async-sidecar", "other")]


def test_what_is_to_be_dropped_is_dropped_in_any_case() -> None:
    assert names([(b"X-Sidecar-Key", b"secret"), (b"a", b"")], drop={"x-sidecar-key"}) == ["a"]


def test_names_that_are_no_text_do_no_harm() -> None:
    assert onward_block([(b"x-\xff", b"1")], drop=()) == b"x-\xff: 1"


def test_only_what_describes_the_body_goes_to_the_webhook() -> None:
    raw = [
        (b"Content-Type", b"text/csv; charset=utf-8"),
        (b"content-encoding", b"gzip"),
        (b"Content-Language", b"de"),
        (b"content-disposition", 'attachment; filename="größe.csv"'.encode()),
        (b"content-length", b"3"),
        (b"set-cookie", b"a=b"),
        (b"x-result-status", b"failed"),
    ]
    assert [name for name, _ in decode_block(content_block(raw))] == [
        "Content-Type",
        "content-encoding",
        "Content-Language",
        "content-disposition",
    ]


def test_a_description_that_cannot_be_sent_on_is_left_out() -> None:
    raw = [(b"content-disposition", b"attachment; filename=gr\xf6\xdfe"), (b"content-type", b"text/csv")]
    assert content_block(raw) == b"content-type: text/csv"
    for byte in (0, 0x0B, 0x1F, 0x7F):  # parsers of answers let these through, and no writer does
        assert content_block([(b"content-type", b"text/csv" + bytes([byte])), (b"content-language", b"de\t")]) == (
            b"content-language: de\t"
        )


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (b"content-type: application/json", "application/json"),
        (b"Content-Type: Application/Problem+JSON ; charset=utf-8", "application/problem+json"),
        (b"x: 1\r\ncontent-type: text/plain\r\ncontent-type: text/html", "text/plain"),
        (b"x-content-type: text/plain", None),
        (b"content-type: ", ""),
        (b"", None),
    ],
)
def test_the_media_type_is_told_without_parameters(block: bytes, found: str | None) -> None:
    assert media_type(block) == found
