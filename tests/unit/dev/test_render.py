"""What is shown to people is readable, safe and never a secret."""

from sidecar.dev.render import answer_lines, body_lines, header_lines, printable


def test_control_characters_of_strangers_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mred\r\x00\u202e") == "a\\x1b[31mred\\r\\x00\\u202e"


def test_json_is_indented_and_long_bodies_are_cut_with_a_note() -> None:
    assert body_lines(b'{"a":1}') == ["{", '  "a": 1', "}"]
    assert body_lines(b"x" * 50, limit=10) == ["x" * 10, "... (cut; 50 bytes in all)"]
    assert body_lines(b"caf\xc3", size=900) == ["caf", "... (cut; 900 bytes in all)"]
    assert body_lines(b"\xff\xfe") == ["(2 bytes that are not text)"]
    assert body_lines(b"") == []


def test_only_telling_headers_are_shown_and_credentials_never() -> None:
    headers = [("Host", "h"), ("X-Job-Id", "1"), ("webhook-id", "w"), ("Authorization", "Bearer secret")]
    assert header_lines(headers) == ["x-job-id: 1", "webhook-id: w", "authorization: (present, not shown)"]
    assert "host: h" in header_lines(headers, every=True)
    assert not any("secret" in line for line in header_lines(headers, every=True))


def test_an_acceptance_is_told_in_words_and_other_documents_are_not() -> None:
    services = [
        {"service": "billing", "status": "invoked", "status_code": 202},
        {"service": "stock", "status": "invoking"},
    ]
    assert answer_lines({"job_id": "1", "status": "invoked", "services": services}) == [
        "job 1 is invoked: every service took the call",
        "  billing: invoked (answered 202)",
        "  stock: invoking",
    ]
    assert answer_lines({"title": "no"}) == []
