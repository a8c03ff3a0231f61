import pytest

from sidecar.outbound.wso2 import wso2_fault

FAULTS = [
    b'{"code":"101503","type":"Status report","message":"Runtime Error","description":"..."}',
    b'{"code":101504}',
    b' {"fault":{"code":101505,"type":"Status report"}}',
    b'{"code":"303001"}',
    b"<am:fault xmlns:am='http://wso2.org/apimanager'><am:code>101508</am:code></am:fault>",
    b"<fault><code> 303001 </code></fault>",
]
REAL_ERRORS = [
    b"",
    b"{",
    b"[101503]",
    b"101503",
    b'{"code":"900901"}',
    b'{"code":"101499"}',
    b'{"code":"101600"}',
    b'{"code":"1015 03"}',
    b'{"code":null}',
    b'{"code":101503.5}',
    b'{"message":"101503"}',
    b"<am:code>900800</am:code>",
    b"101503 Connection failed",
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", FAULTS)
def test_a_500_with_a_transport_code_is_a_fault(body: bytes) -> None:
    assert wso2_fault(500, body)


@pytest.mark.parametrize("body", REAL_ERRORS)
def test_any_other_500_is_the_backend_s_own(body: bytes) -> None:
    assert not wso2_fault(500, body)


@pytest.mark.parametrize("status", [200, 202, 404, 502, 503])
def test_only_a_500_is_a_fault(status: int) -> None:
    assert not wso2_fault(status, FAULTS[0])
