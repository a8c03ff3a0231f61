import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.callback_url import MAX_BYTES, parse_webhook_url

GOOD = {
    "https://hooks.example/crm": ("https", "hooks.example", 443, "/crm"),
    "http://hooks.example": ("http", "hooks.example", 80, "/"),
    "HTTPS://Hooks.Example:8243/CRM": ("https", "hooks.example", 8243, "/CRM"),
    "https://hooks.example:/": ("https", "hooks.example", 443, "/"),
    "https://hooks.example:0443/": ("https", "hooks.example", 443, "/"),
    "https://hooks.example?x=1": ("https", "hooks.example", 443, "/"),
    "https://hooks.example/@me:8/%2F": ("https", "hooks.example", 443, "/@me:8/%2F"),
    "https://hooks.example./": ("https", "hooks.example.", 443, "/"),
    "https://[2001:db8::1]:8243/x": ("https", "[2001:db8::1]", 8243, "/x"),
    "https://[::ffff:10.0.0.1]/": ("https", "[::ffff:10.0.0.1]", 443, "/"),
    "http://my_service:8080/cb;v=1?a=b&c": ("http", "my_service", 8080, "/cb;v=1"),
}
BAD = {
    "": "characters",
    "/results": "not an absolute",
    "//hooks.example/": "not an absolute",
    "hooks.example/results": "not an absolute",
    "ftp://hooks.example/": "not an absolute",
    "javascript:alert(1)": "not an absolute",
    "file:///etc/passwd": "not an absolute",
    "https:hooks.example": "no usable host",
    "https:///results": "no usable host",
    "https://": "no usable host",
    "https://:8443/": "no usable host",
    "https://user@hooks.example/": "user information",
    "https://user:secret@hooks.example/": "user information",
    "https://trusted.example@evil.example/": "user information",
    "https://@hooks.example/": "user information",
    "https://hooks.example/#part": "fragment",
    "https://hooks.example#@evil.example/": "fragment",
    "https://hooks.example/#": "fragment",
    "https://hooks.example\\@evil.example/": "percent-encode",
    "https://hooks.example/a b": "percent-encode",
    " https://hooks.example/": "percent-encode",
    "https://hooks.example/\r\nx-evil: 1": "percent-encode",
    "https://hooks.example/\t": "percent-encode",
    "https://hooks.example/\x00": "percent-encode",
    "https://hooks.example/ü": "percent-encode",
    "https://hööks.example/": "percent-encode",
    "https://hooks.example/{id}": "percent-encode",
    "https://hooks.example/<script>": "percent-encode",
    "https://hooks.example:0/": "port is 0",
    "https://hooks.example:65536/": "cannot be read",
    "https://hooks.example:+80/": "cannot be read",
    "https://hooks.example:80x/": "cannot be read",
    "https://hooks.example:80:81/": "cannot be read",
    "https://ho%6fks.example/": "no usable host",
    "https://-hooks.example/": "no usable host",
    "https://.example/": "no usable host",
    "https://hooks,evil.example/": "no usable host",
    "https://hooks.example;evil/": "no usable host",
    "https://hooks.example&evil/": "no usable host",
    "https://[::1/": "cannot be read",
    "https://[::1%25eth0]/": "host",
    "https://[::1]evil.example/": "host",
    "https://[::1]evil.example:443/": "host",
    "https://[::1]]/": "host",
    "https://evil[::1]/": "host",
    "https://[]/": "host",
    "https://[::1::]/": "host",
    "https://[vf.x]/": "host",
}


@pytest.mark.parametrize(("text", "parts"), GOOD.items())
def test_usable_addresses_are_kept_as_sent_and_taken_apart(text: str, parts: tuple[str, str, int, str]) -> None:
    url = parse_webhook_url(text)
    assert (url.scheme, url.host, url.port, url.path) == parts
    assert url.text == text


@pytest.mark.parametrize(("text", "why"), BAD.items())
def test_hostile_spellings_are_refused_in_words_without_their_value(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_webhook_url(text)
    for part in ("evil", "secret", "passwd", "example"):
        assert part not in str(caught.value)


def test_the_origin_always_names_its_port() -> None:
    assert parse_webhook_url("HTTPS://Hooks.Example/x").origin == "https://hooks.example:443"
    assert parse_webhook_url("http://[::1]/x").origin == "http://[::1]:80"


def test_the_length_is_bounded() -> None:
    longest = "https://hooks.example/".ljust(MAX_BYTES, "x")
    assert parse_webhook_url(longest).text == longest
    with pytest.raises(ValueError, match="longer than 2048 bytes"):
        parse_webhook_url(longest + "x")
    with pytest.raises(ValueError, match="longer than 10 bytes"):
        parse_webhook_url(longest, max_bytes=10)


@given(st.text(alphabet=st.sampled_from("htps:/@[]#?.%\\ae1:0-_ \t"), max_size=30).map(lambda tail: "https://" + tail))
def test_whatever_is_taken_has_nothing_left_over(text: str) -> None:
    try:
        url = parse_webhook_url(text)
    except ValueError:
        return
    authority = text.removeprefix("https://").partition("/")[0].partition("?")[0]
    assert authority in {url.host, f"{url.host}:", f"{url.host}:{authority.rpartition(':')[2]}"}
    assert 0 < url.port < 65536
