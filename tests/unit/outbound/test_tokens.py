"""One token for all: when it is fetched, and when not."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sidecar.model.reasons import OwnReason
from sidecar.outbound.grant import Granted, NotGranted
from sidecar.outbound.tokens import ASSUMED_LIFETIME, MOST_WAITING, Token, TokenSource, Unready

AWAY = NotGranted(OwnReason.KEY_MANAGER_AWAY, "no answer")


class Server:
    """Gives out what it is told to, then tokens that live an hour; a gate holds its answers back."""

    def __init__(self) -> None:
        self.answers: list[Granted | NotGranted | Exception] = []
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.told: list[NotGranted | None] = []
        self.now = 1000.0

    async def fetch(self) -> Granted | NotGranted:
        self.fetches += 1
        number = self.fetches
        self.asked.set()
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else Granted(f"token-{number}", 3600.0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def clock(self) -> float:
        return self.now


@pytest.fixture
def server() -> Server:
    return Server()


MakeSource = Callable[..., TokenSource]


@pytest.fixture
async def source(server: Server) -> AsyncIterator[TokenSource]:
    made = TokenSource(server.fetch, told=server.told.append, clock=server.clock)
    yield made
    await made.close()


async def value(source: TokenSource) -> str:
    token = await source.token()
    assert isinstance(token, Token), token
    return token.value


async def a_token(source: TokenSource) -> Token:
    token = await source.token()
    assert isinstance(token, Token)
    return token


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_token_is_fetched_once_and_used_until_it_nears_its_end(server: Server, source: TokenSource) -> None:
    assert await value(source) == "token-1"
    server.now += 3539
    assert await value(source) == "token-1"
    assert server.fetches == 1


async def test_a_token_that_nears_its_end_is_renewed_in_the_background(server: Server, source: TokenSource) -> None:
    await value(source)
    server.now += 3541
    server.gate.clear()
    assert [await value(source) for _ in range(3)] == ["token-1"] * 3
    await server.asked.wait()
    server.gate.set()
    await settle()
    assert (await value(source), server.fetches) == ("token-2", 2)


async def test_an_expired_token_is_not_used_any_more(server: Server, source: TokenSource) -> None:
    await value(source)
    server.now += 3600
    assert await value(source) == "token-2"


async def test_a_token_without_a_lifetime_is_used_for_a_while(server: Server, source: TokenSource) -> None:
    server.answers = [Granted("endless", None)]
    assert await value(source) == "endless"
    server.now += ASSUMED_LIFETIME - 1
    assert await value(source) == "endless"
    await settle()
    assert await value(source) == "token-2"


async def test_a_token_that_lives_shorter_than_the_spacing_is_fetched_when_it_is_over(
    server: Server, source: TokenSource
) -> None:
    server.answers = [Granted("brief", 0.0), Granted("brief-too", 3.0)]
    assert await value(source) == "brief"
    server.now += 1
    assert await value(source) == "brief-too"
    server.now += 2.9
    assert await value(source) == "brief-too"
    server.now += 0.2
    assert await value(source) == "token-3"


async def test_many_who_ask_at_once_share_one_fetch(server: Server, source: TokenSource) -> None:
    got = await asyncio.gather(*(value(source) for _ in range(MOST_WAITING)))
    assert (set(got), server.fetches) == ({"token-1"}, 1)


async def test_the_fetch_goes_on_when_the_first_who_waits_is_cancelled(server: Server, source: TokenSource) -> None:
    server.gate.clear()
    first = asyncio.create_task(value(source))
    await server.asked.wait()
    second = asyncio.create_task(value(source))
    await settle()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    server.gate.set()
    assert (first.cancelled(), await second, server.fetches) == (True, "token-1", 1)


async def test_no_more_than_a_few_wait_in_their_place(server: Server, source: TokenSource) -> None:
    server.gate.clear()
    waiting = [asyncio.create_task(value(source)) for _ in range(MOST_WAITING)]
    await settle()
    assert source.blocked  # so that nothing more is claimed
    assert await source.token() == Unready(OwnReason.RENEWING, 1.0)
    server.gate.set()
    await asyncio.gather(*waiting)
    assert not source.blocked


async def test_a_refused_token_is_given_up_and_another_fetched_when_the_time_has_come(
    server: Server, source: TokenSource
) -> None:
    refused = await a_token(source)
    server.now += 10
    renewed = await source.renewed(refused)
    assert isinstance(renewed, Token)
    assert (renewed.value, await value(source), server.fetches) == ("token-2", "token-2", 2)


async def test_only_the_token_that_was_refused_is_given_up(server: Server, source: TokenSource) -> None:
    refused = await a_token(source)
    server.now += 10
    newer = await source.renewed(refused)
    assert await source.renewed(refused) is newer  # an answer to an attempt that began before
    assert server.fetches == 2


async def test_tokens_refused_one_after_the_other_are_fetched_at_the_spacing() -> None:
    server = Server()
    loop = asyncio.get_running_loop()
    source = TokenSource(server.fetch, told=server.told.append, spacing=0.05, clock=loop.time)
    began = loop.time()
    token = await a_token(source)
    for _ in range(4):
        renewed = await asyncio.gather(*(source.renewed(token) for _ in range(5)))
        assert len({id(one) for one in renewed}) == 1
        assert isinstance(renewed[0], Token)
        token = renewed[0]
    assert server.fetches == 5
    assert loop.time() - began >= 4 * 0.05  # never more than one at a time


async def test_until_another_token_may_be_fetched_the_others_use_the_one_that_one_webhook_refused(
    server: Server, source: TokenSource
) -> None:
    refused = await a_token(source)
    server.now += 4
    waits = asyncio.create_task(source.renewed(refused))
    await settle()
    assert (waits.done(), source.blocked, await value(source), server.fetches) == (False, False, "token-1", 1)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    server.now += 6
    assert not source.blocked
    assert (await value(source), server.fetches) == ("token-2", 2)  # it may have been revoked


async def test_a_webhook_that_refuses_each_token_takes_none_from_the_others() -> None:
    server = Server()
    loop = asyncio.get_running_loop()
    source = TokenSource(server.fetch, told=server.told.append, spacing=0.05, clock=loop.time)
    token = await a_token(source)
    for _ in range(3):
        waits = asyncio.create_task(source.renewed(token))
        await settle()
        assert (source.blocked, await a_token(source)) == (False, token)
        renewed = await waits
        assert isinstance(renewed, Token)
        assert renewed is not token
        token = renewed


async def test_more_than_a_few_who_were_refused_do_not_wait_and_are_told_when_to_come(
    server: Server, source: TokenSource
) -> None:
    refused = await a_token(source)
    server.now += 4
    waiting = [asyncio.create_task(source.renewed(refused)) for _ in range(MOST_WAITING)]
    await settle()
    assert await source.renewed(refused) == Unready(OwnReason.RENEWING, 6.0)
    assert (source.blocked, await value(source)) == (False, "token-1")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_refused_token_whose_renewal_fails_is_used_by_the_others_until_the_next_try(
    server: Server, source: TokenSource
) -> None:
    refused = await a_token(source)
    server.answers = [AWAY, AWAY]
    server.now += 3545
    await value(source)
    await settle()
    assert await source.renewed(refused) == Unready(OwnReason.KEY_MANAGER_AWAY, 10.0)
    assert (source.blocked, await value(source), server.fetches) == (False, "token-1", 2)
    server.now += 10
    assert await source.token() == Unready(OwnReason.KEY_MANAGER_AWAY, 20.0)
    assert (source.blocked, server.fetches) == (True, 3)


async def test_failures_are_spaced_ever_further_and_told(server: Server, source: TokenSource) -> None:
    server.answers = [AWAY] * 5
    waits = []
    for _ in range(5):
        unready = await source.token()
        assert isinstance(unready, Unready)
        waits.append(unready.wait)
        assert source.blocked
        assert await source.token() == unready  # asked again at once, nothing is fetched
        server.now += unready.wait
    assert waits == [10.0, 20.0, 40.0, 60.0, 60.0]
    assert (server.fetches, server.told) == (5, [AWAY] * 5)
    assert (await value(source), source.blocked, server.told[-1]) == ("token-6", False, None)
    server.answers = [AWAY]
    server.now += 3600
    assert await source.token() == Unready(OwnReason.KEY_MANAGER_AWAY, 10.0)


async def test_a_server_that_asks_for_more_time_gets_it(server: Server, source: TokenSource) -> None:
    server.answers = [NotGranted(OwnReason.KEY_MANAGER_AWAY, "it answered 429", 200.0)]
    assert await source.token() == Unready(OwnReason.KEY_MANAGER_AWAY, 200.0)


async def test_a_token_that_is_still_good_is_used_while_its_renewal_fails(server: Server, source: TokenSource) -> None:
    await value(source)
    server.answers = [AWAY]
    server.now += 3545
    await value(source)
    await settle()
    assert (await value(source), source.blocked, server.fetches) == ("token-1", False, 2)
    server.now += 11
    await value(source)
    await settle()
    assert (await value(source), server.fetches) == ("token-3", 3)


async def test_a_refused_token_while_the_server_is_away_leaves_none(server: Server, source: TokenSource) -> None:
    refused = await a_token(source)
    server.now += 10
    server.answers = [AWAY]
    assert await source.renewed(refused) == Unready(OwnReason.KEY_MANAGER_AWAY, 10.0)
    assert await source.renewed(refused) == Unready(OwnReason.KEY_MANAGER_AWAY, 10.0)
    assert (source.blocked, server.fetches) == (True, 2)


async def test_a_fetch_that_breaks_holds_nobody_up_for_ever(server: Server, source: TokenSource) -> None:
    server.answers = [RuntimeError("ours")]
    assert await source.token() == Unready(OwnReason.KEY_MANAGER_AWAY, 10.0)


async def test_closing_ends_a_fetch_under_way(server: Server) -> None:
    source = TokenSource(server.fetch, told=server.told.append, clock=server.clock)
    server.gate.clear()
    waiting = asyncio.create_task(source.token())
    await server.asked.wait()
    await source.close()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
