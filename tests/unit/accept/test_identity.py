import pytest

from sidecar.accept.identity import Caller, NoIdentity, SharedSecret, caller_of
from sidecar.model.errors import ProblemError

IDENTITY = SharedSecret("X-Sidecar-Key", "sëcret")
PROOF = {"x-sidecar-key": ["sëcret".encode()]}


@pytest.mark.parametrize(
    ("context", "path"),
    [("/orders/1.0", "/orders/1.0"), ("orders/1.0/", "/orders/1.0"), ("/", ""), ("", ""), ("//a//", "/a")],
)
def test_the_context_is_a_path_to_put_in_front(context: str, path: str) -> None:
    assert caller_of(IDENTITY, {**PROOF, "x-api-context": [context.encode()]}).context == path


@pytest.mark.parametrize(
    ("key_type", "sandbox"), [("SANDBOX", True), ("sandbox ", True), ("PRODUCTION", False), ("", False)]
)
def test_a_sandbox_key_is_known(key_type: str, *, sandbox: bool) -> None:
    assert caller_of(IDENTITY, {**PROOF, "x-api-key-type": [key_type.encode()]}).sandbox is sandbox


def test_without_words_of_the_gateway_the_caller_is_unnamed() -> None:
    assert caller_of(IDENTITY, PROOF) == Caller()


def test_nothing_is_read_before_the_gateway_has_proved_itself() -> None:
    with pytest.raises(ProblemError) as caught:
        caller_of(IDENTITY, {"x-sidecar-key": [b"guess"], "x-api-application": [b"\xff"]})
    assert caught.value.problem.status == 401


def test_what_is_not_verified_is_not_even_read() -> None:
    assert caller_of(NoIdentity(), {"x-api-application": [b"\xff", b"two"]}) == Caller()
