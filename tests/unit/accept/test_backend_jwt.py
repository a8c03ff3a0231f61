"""The gateway that is known by its JWT: what is believed, and what happens while its keys change or are away."""

import asyncio
from typing import Any

import pytest

from sidecar.accept.backend_jwt import MAX_VERIFIED, BackendJwt, Claims
from sidecar.accept.identity import Caller, Unidentified, caller_of
from sidecar.accept.keyring import COLD, COOL_DOWN, MAX_WAITING, Keyring
from sidecar.model.errors import KeysUnavailable, ProblemError
from tests.unit.builders import Lines
from tests.unit.tokens import DIALECT, ISSUER, NOW, claims, jwk, jwks, rsa_key, token

INTERVAL = 300.0


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Source:
    """Where the keys are; ``fault`` makes it fail, ``gate`` makes it wait."""

    def __init__(self) -> None:
        self.document = jwks(jwk(rsa_key()))
        self.fault = False
        self.gate: asyncio.Event | None = None
        self.asked = 0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fault:
            raise KeysUnavailable("the address of the keys answered 500")
        return self.document


class Door:
    """An identity with its keys, and the clocks of both."""

    def __init__(self, **over: Any) -> None:
        self.source, self.lines = Source(), Lines()
        self.time, self.ticks = Clock(NOW), Clock(0.0)
        self.keyring = Keyring(self.source, interval=INTERVAL, log=self.lines.log, clock=self.ticks)
        header = over.pop("header", "X-JWT-Assertion")
        self.identity = BackendJwt(header, Claims(ISSUER, **over), keyring=self.keyring, clock=self.time)

    async def caller(self, sent: bytes, **headers: bytes) -> Caller:
        others = {name.replace("_", "-"): [value] for name, value in headers.items()}
        return await caller_of(self.identity, {"x-jwt-assertion": [sent], **others}, None)

    async def reason(self, sent: bytes) -> str:
        with pytest.raises(Unidentified) as caught:
            await self.caller(sent)
        assert caught.value.problem.status == 401
        return caught.value.reason

    async def away(self, sent: bytes) -> None:
        with pytest.raises(ProblemError) as caught:
            await self.caller(sent)
        problem = caught.value.problem
        assert (problem.status, problem.code) == (503, "gateway_keys_unavailable")
        assert problem.headers["retry-after"]


async def turns() -> None:
    """Let every task run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def door() -> Door:
    made = Door()
    await made.keyring.run_once()
    return made


async def test_the_claims_say_who_called_and_headers_that_a_client_can_send_do_not(door: Door) -> None:
    forged = {"x_api_application": b"1", "x_api_context": b"/evil", "x_api_key_type": b"SANDBOX"}
    assert await door.caller(token(), **forged) == Caller("12", "/orders/1.0", sandbox=False)


async def test_a_sandbox_key_and_an_application_that_is_a_number_are_understood(door: Door) -> None:
    sent = token(claims(_keytype="sandbox", _applicationid=7, _apicontext="/t/corp/orders/1.0/"))
    assert await door.caller(sent) == Caller("7", "/t/corp/orders/1.0", sandbox=True)


@pytest.mark.parametrize(
    ("over", "application"),
    [
        ({"application_claim": "applicationname"}, "DefaultApplication"),
        ({"dialect": "", "application_claim": "sub"}, "admin@carbon.super"),
        ({"dialect": f"{DIALECT}/"}, "12"),
    ],
)
async def test_the_settings_name_the_claim_of_the_application(over: dict[str, str], application: str) -> None:
    renamed = {"application" if name == "application_claim" else name: value for name, value in over.items()}
    door = Door(**renamed)
    assert (await door.caller(token())).application == application


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (token(claims(_applicationid=None)), "no_application"),
        (token(claims(_applicationid="")), "no_application"),
        (token(claims(_applicationid=["12"])), "no_application"),
        (token(claims(_applicationid=True)), "no_application"),
        (token(claims(_applicationid="a" * 256)), "claims"),
        (token(claims(_applicationid="a\x00b")), "claims"),
        (token(claims(_apicontext="/a\r\nx-evil: 1")), "claims"),
        (token(claims(exp=NOW - 61)), "expired"),
        (token(kid="k9"), "key_unknown"),
        (token(key=rsa_key("second")), "signature"),
    ],
)
async def test_a_token_that_proves_too_little_is_refused(sent: bytes, reason: str, door: Door) -> None:
    assert await door.reason(sent) == reason


async def test_one_token_must_be_there(door: Door) -> None:
    for given in ({}, {"x-jwt-assertion": [token(), token()]}):
        with pytest.raises(Unidentified):
            await caller_of(door.identity, given, None)


async def test_a_known_token_is_recognised_until_it_expires(door: Door) -> None:
    sent = token()
    await door.caller(sent)
    door.keyring.keys = {}  # whoever asked the keys again would be refused
    assert (await door.caller(sent)).application == "12"
    door.time.now += 900 + 61
    assert await door.reason(sent) in {"expired", "key_unknown"}


async def test_what_a_removed_key_has_signed_is_forgotten(door: Door) -> None:
    sent = token()
    await door.caller(sent)
    door.source.document = jwks(jwk(rsa_key("second"), "k2"))
    door.ticks.now += INTERVAL
    await door.keyring.run_once()
    assert await door.reason(sent) == "key_unknown"


async def test_the_memory_of_known_tokens_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.accept.backend_jwt.MAX_VERIFIED", 2)
    assert MAX_VERIFIED >= 1000
    for number in range(4):
        await door.caller(token(claims(jti=number)))
    assert len(door.identity._verified) == 2
    for number in range(4):
        await door.reason(token(claims(jti=number, iss="evil")))
    assert len(door.identity._verified) == 2


async def test_a_new_key_is_found_when_it_is_first_used(door: Door) -> None:
    door.ticks.now += COOL_DOWN
    door.source.document = jwks(jwk(rsa_key()), jwk(rsa_key("second"), "k2"))
    assert (await door.caller(token(key=rsa_key("second"), kid="k2"))).application == "12"
    assert door.source.asked == 2


async def test_invented_keys_do_not_make_us_ask_all_the_time(door: Door) -> None:
    door.ticks.now += COOL_DOWN
    for number in range(20):
        assert await door.reason(token(kid=f"invented-{number}")) == "key_unknown"
    assert door.source.asked == 2


async def test_many_tokens_of_a_new_key_wait_for_one_look_and_no_crowd_does(door: Door) -> None:
    door.ticks.now += COOL_DOWN
    door.source.gate = asyncio.Event()
    door.source.document = jwks(jwk(rsa_key("second"), "k2"))
    sent = token(key=rsa_key("second"), kid="k2")
    asking = [asyncio.create_task(door.caller(sent)) for _ in range(1 + MAX_WAITING)]
    await turns()
    assert door.keyring._waiting == MAX_WAITING
    await door.away(sent)
    door.source.gate.set()
    assert {caller.application for caller in await asyncio.gather(*asking)} == {"12"}
    assert door.source.asked == 2


async def test_a_look_that_was_cancelled_leaves_nobody_waiting(door: Door) -> None:
    door.ticks.now += COOL_DOWN
    door.source.gate = asyncio.Event()
    first, second = (asyncio.create_task(door.caller(token(kid="k9"))) for _ in range(2))
    await turns()
    first.cancel()
    with pytest.raises(ProblemError, match="gateway_keys_unavailable"):
        await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_before_there_are_keys_nobody_is_refused_for_good() -> None:
    door = Door()
    door.source.fault = True
    await door.away(token())
    door.source.fault = False
    door.ticks.now += COLD
    assert (await door.caller(token())).application == "12"


async def test_while_the_keys_are_away_those_that_are_known_go_on(door: Door) -> None:
    door.source.fault = True
    door.ticks.now += INTERVAL
    await door.keyring.run_once()
    assert (await door.caller(token())).application == "12"
    await door.away(token(kid="k2"))  # it may be a new key: who can tell?
    assert await door.reason(token(claims(iss="evil"))) == "issuer"


@pytest.mark.parametrize("document", [b"<html>", b'{"keys": []}'])
async def test_a_document_that_is_useless_takes_no_key_away(document: bytes, door: Door) -> None:
    door.source.document = document
    door.ticks.now += INTERVAL
    await door.keyring.run_once()
    assert (await door.caller(token())).application == "12"
    assert door.lines.names() == ["gateway.keys_read", "gateway.keys_unavailable"]


async def test_keys_are_looked_at_when_it_is_time_and_sooner_after_a_failure(door: Door) -> None:
    door.ticks.now += INTERVAL - 1
    await door.keyring.run_once()
    assert door.source.asked == 1
    door.ticks.now += 1
    door.source.fault = True
    await door.keyring.run_once()
    door.ticks.now += COOL_DOWN
    await door.keyring.run_once()
    assert door.source.asked == 3


def test_the_token_travels_on_and_an_assertion_that_nobody_verified_does_not() -> None:
    assert Door().identity.withheld == frozenset()
    assert Door(header="X-Gateway-Token").identity.withheld == {"x-jwt-assertion"}
